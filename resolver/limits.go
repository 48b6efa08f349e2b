package resolver

import "time"

// Sizes on the wire, in bytes.
const (
	// udpReplyMax keeps a reply in one packet on every path: 1280, the least
	// MTU of IPv6, less the IPv6 and UDP headers (RFC 9715 §3.1).
	udpReplyMax = 1232
	// udpReplyPlain is what a client without EDNS can take (RFC 1035 §2.3.4).
	udpReplyPlain = 512
	// udpQueryMax is the room for a query over UDP. A padded query with every
	// known option stays below 600; what is longer is cut and refused.
	udpQueryMax = 2048
	// scratchSize is the room in which an answer is made up; one that needs
	// more takes it.
	scratchSize = 512
	// tcpQueryMax bounds what one TCP query may make us hold. Nothing a stub
	// resolver sends comes near it.
	tcpQueryMax = 4096
	// messageMax is the longest DNS message there is (RFC 1035 §4.2.2).
	messageMax = 65535
)

// Work one query may cause.
const (
	// chainMax ends CNAME chains; real ones stay below 10, loops do not.
	chainMax = 16
	// askMax is how many packets to upstreams one client's query may cost,
	// retries, a switch to TCP and a failover included (NXNS, CVE-2020-12662).
	askMax = 3
	// pointersMax is how often a compressed name may jump: servers
	// write names that jump once or twice.
	pointersMax = 32
	// roundsMax is how often one query may wait for a flight: for the name that
	// was asked, and for the safe twin that it turns out to lead to.
	roundsMax = 2
	// recordsMax bounds an answer that has to be taken apart and put together
	// again because it holds records nobody asked for.
	recordsMax = 256
	// ignoredMax is how many wrong answers a socket listens past; a guesser
	// who sends more than this at one port has the query moved to another.
	ignoredMax = 128
)

// How long things may take.
const (
	// askTime is when a client has its SERVFAIL or stale answer at the latest.
	// RFC 8767 §5 suggests 1.8 s, but what is said then still has to get out
	// before replyAgeMax on a busy router.
	askTime = 1500 * time.Millisecond
	// replyAgeMax drops replies that nobody can still be waiting for, so that
	// queries saved up cannot be let loose at once (DNSBomb, CVE-2024-33655).
	replyAgeMax = 1900 * time.Millisecond
	// patienceMin and patienceMax bound what one upstream is given before the
	// next is tried; between them it is four times its usual time.
	patienceMin = 300 * time.Millisecond
	patienceMax = askTime / 2
	// foldedWait is how much longer to listen once an answer came in which the
	// upstream changed the case of the name, before asking without 0x20.
	foldedWait = 300 * time.Millisecond
	// spareTime is how long an upstream is spared what it did not understand.
	spareTime = time.Hour
	// tcpIdle closes a connection that says nothing (RFC 7766 §6.2.3).
	tcpIdle = 10 * time.Second
	// handshakeTime is how long TLS may take to begin: a slow phone on a slow
	// network needs three seconds with its first packet lost.
	handshakeTime = 5 * time.Second
	// tcpWrite is how long a client may take to receive a reply.
	tcpWrite = 5 * time.Second
)

// How much may be going on at once.
const (
	// batchSize is how many packets one system call reads or writes. Beyond
	// 32 the call's own cost no longer shows.
	batchSize = 32
	// flightsMax bounds questions on their way to upstreams. Each holds a
	// goroutine, a socket and its buffers, about 10 KiB: 10 MiB in all.
	flightsMax = 1024
	// crewKept is how many goroutines stay when no flight needs them.
	crewKept = 64
	// flightsPerClient leaves room for the others when one device floods.
	flightsPerClient = flightsMax / 2
	// longMax bounds the questions under way over TCP, whose answers may be 64
	// KiB each: 4 MiB. More wait for their turn.
	longMax = 64
	// pendingMax bounds queries waiting for those flights, 1 KiB each.
	pendingMax = 4096
	// pendingPerClient is how many queries of one client may wait (DNSBomb).
	pendingPerClient = 1000
	// tcpConnections bounds open connections, about 8 KiB each; when there are
	// more, the one longest idle makes room.
	tcpConnections = 512
	// tcpPerClient is how many of them one address may have.
	tcpPerClient = 128
	// unsentMax bounds the replies, in bytes, that wait until their clients take
	// them over TCP, and as much again over TLS.
	unsentMax = 4 << 20
	// unsentPerClient is how many of them are one client's: a pipeline of long
	// ones, or sixteen of the longest.
	unsentPerClient = unsentMax / 4
	// secretConnections bounds the connections over TLS, about 45 KiB each:
	// 6 MiB.
	secretConnections = 128
	// secretPerClient is how many of them one address may have: a mobile
	// provider gives a family's phones one, and a browser opens six.
	secretPerClient = 32
	// strangersMax bounds those of them, beside the others, that are from outside
	// and have shown no token yet, which over HTTPS may still come in the path: any
	// number of them ends none that works. 2 MiB.
	strangersMax = 48
	// strangersPerClient is how many of them one address may have.
	strangersPerClient = 16
	// openingMax bounds the connections on which TLS has not begun yet. They are
	// counted apart, so that any number of half-open ones ends none that works.
	openingMax = 64
	// openingPerClient is how many of them one address may have.
	openingPerClient = 16
	// guessesMax is how many connections over HTTPS a stranger may begin at once
	// without naming a device, which he is given back within guessesTime: each
	// costs us a signature, some ten milliseconds of a small router.
	guessesMax  = 20
	guessesTime = time.Minute
	// tcpPipeline is how many queries of one connection may wait for answers;
	// after that it is read no further until one is given.
	tcpPipeline = 128
	// socketBuffer is what is asked of the kernel for each UDP socket, so that
	// a house full of devices waking up at once does not overflow it.
	socketBuffer = 1 << 20
)

// Time to live, in seconds.
const (
	// ttlBlocked is the default for a blocked name: an approval is felt at once.
	ttlBlocked = 10
	// ttlSupervised caps replies to a person with rules: a Pause is true
	// within a minute even for names a device holds.
	ttlSupervised = 60
	// ttlLocal is for names of the house: leases change.
	ttlLocal = 60
	// ttlANY is for the answer to ANY, which never changes.
	ttlANY = 3600
	// ttlMax keeps an upstream's mistake from lasting longer than a day.
	ttlMax = 86400
	// ttlNegativeMax keeps a name that does not exist from staying away for
	// longer than an hour (RFC 2308 §5 allows three).
	ttlNegativeMax = 3600
	// prefetchShare is the last part of an answer's time, one in prefetchShare,
	// in which a popular one is asked for again.
	prefetchShare = 10
	// ttlStale is what an answer past its time is given with (RFC 8767 §4).
	ttlStale = 30
	// staleMax is how far past its time an answer may be used (RFC 8767 §5
	// suggests one to three days).
	staleMax = 86400
	// ttlFailure is how long a failure is remembered (RFC 9520 §3.2: 1 s to 5 min).
	ttlFailure = 5
)
