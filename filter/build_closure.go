package filter

import (
	"bytes"
	"fmt"
	"slices"
)

// A listed name means this, told from the root down. Every name inherits from
// its parent the topics that hold below the parent. At a name with entries of
// its own:
//
//   - an Except takes its topic (with AnyCategory every topic of KindCategory)
//     out of what is inherited and out of the name's own entries, save what is
//     Important; an Except that is Important itself takes that out too;
//   - what then remains of the inherited topics and of the own Suffix entries
//     holds for the name and below it;
//   - what remains of the own Exact entries holds for the name only.
//
// So an exception reopens a branch, a block below it closes it again, and an
// important block is inherited through exceptions. The order of a name's
// entries does not matter.

// closure turns sorted entries into nodes: it adds the suffixes in between, so
// that a walk can stop at the first suffix that is not there, and leaves out the
// names that say nothing their parent does not say already. It holds one
// branch of the tree, from the root to the name it has just seen.
type closure struct {
	sets *setTable
	// found is told once of every suffix of every name: what has become of it,
	// what it says if it is valued, and its hash.
	found func(kind suffixKind, self, below setNumber, hash *suffixHash)

	names int // with entries other than Witness

	branch [MaxLabels + 1]frame // branch[depth] is the name, branch[0] the root
	depth  int

	name []byte // in buf
	at   [MaxLabels]uint8
	buf  [MaxNameLen]byte

	suffixes, exacts, excepts []member // the name's own entries, each once
	listed                    bool     // it has any
}

// suffixKind is what has become of a suffix.
type suffixKind uint8

const (
	suffixAbsent suffixKind = iota // it is no node: covered by its parent, or a Witness
	suffixInner                    // it only leads to a node
	suffixValued                   // it says something its parent does not
)

// frame is one suffix of the branch.
type frame struct {
	hash  suffixHash
	below setNumber
	node  bool // it has been found to be one
}

func newClosure(key sipKey, sets *setTable, found func(suffixKind, setNumber, setNumber, *suffixHash)) *closure {
	c := &closure{sets: sets, found: found}
	c.branch[0] = frame{hash: key.start(), node: true}
	return c
}

// add takes the next entry.
func (c *closure) add(e Entry) error {
	if c.depth == 0 || !bytes.Equal(e.Name, c.name) {
		if err := c.open(e.Name); err != nil {
			return err
		}
	}
	m := newMember(e.Topic, e.Mode)
	switch mode := e.Mode &^ Important; {
	case mode == Witness && e.Mode&Important == 0:
		return nil
	case mode > Witness || e.Mode == Witness|Important:
		return fmt.Errorf("%s: there is no mode %d", e.Name, e.Mode)
	case int(e.Topic) >= len(c.sets.topics) && (mode != Except || e.Topic != AnyCategory):
		return fmt.Errorf("%s: there is no topic %d", e.Name, e.Topic)
	case mode == Suffix:
		c.suffixes = addOnce(c.suffixes, m)
	case mode == Exact:
		c.exacts = addOnce(c.exacts, m)
	default:
		c.excepts = addOnce(c.excepts, m)
	}
	if !c.listed {
		c.listed = true
		c.names++
	}
	return nil
}

// addOnce keeps a list short however many sources say the same.
func addOnce(list []member, m member) []member {
	if slices.Contains(list, m) {
		return list
	}
	return append(list, m)
}

// open ends the name before and moves the branch to the next one.
func (c *closure) open(name Name) error {
	if len(name) < 2 || len(name) > MaxNameLen {
		return fmt.Errorf("%s: neither the root nor an empty name can be listed", name)
	}
	c.decide()
	var at [MaxLabels]uint8
	labels := name.Offsets(&at)
	common := 0
	for common < min(labels, c.depth) {
		x, y := name[at[labels-1-common]:], c.name[c.at[c.depth-1-common]:]
		order := bytes.Compare(x[1:1+int(x[0])], y[1:1+int(y[0])])
		if order < 0 {
			return errUnsorted(name)
		}
		if order > 0 {
			break
		}
		common++
	}
	if common == labels {
		return errUnsorted(name)
	}
	if c.sets.full {
		return errSets
	}
	c.unwind(common)
	c.name, c.at = append(c.buf[:0], name...), at
	for c.depth < labels {
		label := c.name[at[labels-1-c.depth]:]
		above := &c.branch[c.depth]
		c.depth++
		f := &c.branch[c.depth]
		*f = frame{hash: above.hash, below: above.below}
		f.hash.extend(label)
	}
	return nil
}

func errUnsorted(name Name) error {
	return fmt.Errorf("%s: the entries are not sorted by Name.Compare", name)
}

// close ends the last name.
func (c *closure) close() {
	c.decide()
	c.unwind(0)
}

// decide works out what the name says, now that all its entries are known.
func (c *closure) decide() {
	if !c.listed {
		return
	}
	f, inherited := &c.branch[c.depth], c.branch[c.depth-1].below
	f.below = inherited
	for _, m := range c.suffixes {
		f.below = c.sets.with(f.below, m)
	}
	self := f.below
	for _, m := range c.exacts {
		self = c.sets.with(self, m)
	}
	for _, m := range c.excepts {
		f.below, self = c.sets.without(f.below, m), c.sets.without(self, m)
	}
	c.suffixes, c.exacts, c.excepts, c.listed = c.suffixes[:0], c.exacts[:0], c.excepts[:0], false

	plain := c.sets.plain
	if plain[self] == plain[inherited] && plain[f.below] == plain[inherited] {
		return
	}
	for d := c.depth - 1; !c.branch[d].node; d-- {
		c.branch[d].node = true
		c.found(suffixInner, 0, 0, &c.branch[d].hash)
	}
	f.node = true
	c.found(suffixValued, plain[self], plain[f.below], &f.hash)
}

// unwind leaves the branch down to a depth. What has not become a node by then
// never will.
func (c *closure) unwind(depth int) {
	for ; c.depth > depth; c.depth-- {
		if f := &c.branch[c.depth]; !f.node {
			c.found(suffixAbsent, 0, 0, &f.hash)
		}
	}
}
