package filter

// Kind says what a topic is for, and with that which line of the answering
// order it belongs to.
type Kind uint8

// The kinds of topics. The numbers are part of the snapshot format.
const (
	KindCategory   Kind = 1 // what a site is about: "adult", "gambling"
	KindService    Kind = 2 // one product with its names: "tiktok"
	KindLifeline   Kind = 3 // always answered: helplines, time, captive portals
	KindSafeSearch Kind = 4 // hosts that have a safe twin: "google" → forcesafesearch.google.com
	KindListed     Kind = 5 // names a person in allow-list mode may see: "kids"
	KindSealed     Kind = 6 // demanded by law or ISP, blocked for everyone
)

// String is the kind's name as lists and explain print it.
func (k Kind) String() string {
	switch k {
	case KindCategory:
		return "category"
	case KindService:
		return "service"
	case KindLifeline:
		return "lifeline"
	case KindSafeSearch:
		return "safe search"
	case KindListed:
		return "listed"
	case KindSealed:
		return "sealed"
	}
	return "unknown kind"
}

// Topic is one thing a household can decide about. A Trie carries the topics
// its names belong to, so a snapshot explains itself: a router that takes a new
// snapshot learns of new services, and which group they are in, from it alone.
type Topic struct {
	ID     string // stable and lower case, "adult", "tiktok"; unique in a Trie, at most 63 bytes
	Kind   Kind
	Group  string // a service's group, "social"; empty for other kinds
	Title  string // for people, "TikTok"
	Target string // KindSafeSearch: the safe host's name, "forcesafesearch.google.com"
}

// TopicID is a topic's place in its Trie's table. It means nothing in another Trie.
type TopicID uint16

// AnyCategory stands for every topic of KindCategory in an Entry that makes an
// exception: a protected name is no exception from one list but from all.
const AnyCategory TopicID = 0xffff

// SetID is a topic set's place in its Trie's table of sets. Zero is the empty
// set in every Trie. It means nothing in another Trie.
type SetID uint16
