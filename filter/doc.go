// Package filter decides names. It is pure: the standard library only, no
// files, no sockets, no clock of its own. Everything in it is a value that is
// built once and then read by any number of goroutines without a lock.
//
// The answering order, stated once (the first line that applies wins):
//
//  1. sealed      a list the law or the ISP demands: blocked for everyone
//  2. lifeline    helplines, emergency, time, captive portals: always answered
//  3. closed      the person is paused or asleep: nothing else resolves
//  4. allow       the person's own allow rule, or a grant that has not expired
//  5. block       the person's own block rule
//  6. service     a service switched off for the person now
//  7. category    a category blocked for the person now
//  8. allow-list  a person who may only see listed names, and this is none
//  9. safe search answered with the address of the safe host
//  10. pass       everything else goes to the cache and the upstream
//
// How the pieces meet:
//
//	Name      a domain name as it travels on the wire, lower case
//	Trie      the compiled lists: Name → topic set, one walk, no allocation
//	Policy    the rules of one person, as the household wrote them
//	Snapshot  a Trie and the Policies bound to it: what one query is decided by
//	Verdict   the answer, with the rule that won and when it may change
//	Live      the one place where a Snapshot is replaced by the next
package filter
