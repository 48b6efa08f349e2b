package filter

// Match is what a Trie knows of a name.
type Match struct {
	// Set is the topic set of the deepest suffix of the name that the trie
	// holds, with everything that suffix inherits from above; zero if none.
	Set SetID
	// Len is that suffix's length in bytes at the end of the name, the root's
	// byte included; 0 if the trie holds no suffix of the name.
	Len uint8
}

// Mode is how an Entry counts.
type Mode uint8

// The modes. Suffix is what lists mean by default.
const (
	Suffix Mode = 0 // the name and everything below it
	Exact  Mode = 1 // the name only
	Except Mode = 2 // the topic ends here: the name and everything below it are free of it
)

// Important is a flag on Suffix and Exact: an Except does not undo it.
const Important Mode = 0x80

// Entry is one line of the lists on its way into a Trie.
type Entry struct {
	Name  Name
	Topic TopicID // a place in the table of topics the Trie is built with, or AnyCategory with Except
	Mode  Mode
}
