// Package household knows the family: who lives here, how old they are, which
// device is whose, and what each may do when. It compiles all that to
// filter.Policy values and tells who is asking.
//
//	Bands      what a family starts from, as data with a reason for each line
//	Household  people, devices, requests and settings: a value, never altered
//	Change     one alteration, which makes the next Household
//	Family     the Household in force and its file; one writer at a time
//	Clients    who is asking: an immutable table from address to policy
//
// A Household is replaced, not altered: readers take the one in force and keep
// it as long as they like. Two processes may write (the daemon and the command
// line); each change reads the file again inside its own transaction.
package household
