package filter

import (
	"cmp"
	"encoding/binary"
	"errors"
	"slices"
)

// errSets says that the lists mix their topics in more ways than a trie holds.
var errSets = errors.New("snapshot: the names have too many different sets of topics; build with fewer lists or topics")

// maxMembers bounds the sets of a build, in members and eight for each set:
// some 10 MB at worst, and 50,000 sets of two, where a few hundred are usual.
const maxMembers = 1 << 19

// maxSteps bounds what is remembered of changes of sets, 0.5 MB of them: then
// it starts anew.
const maxSteps = 1 << 13

// setNumber is a set of topics during a build, importance included. Zero is
// the empty set.
type setNumber uint32

// setTable keeps every set that a build comes across once, and remembers what
// it has worked out: lists take the same few steps a million times.
type setTable struct {
	topics  []Topic
	lists   [][]member  // by setNumber, ascending
	plain   []setNumber // by setNumber: the set with importance forgotten
	numbers map[string]setNumber
	steps   map[step]setNumber
	members int  // in all lists, and eight for each
	full    bool // there were more than maxMembers; what follows is wrong
}

// member is a topic in a set: the topic twice, and one more if it is Important.
type member uint32

func newMember(t TopicID, m Mode) member {
	if m&Important != 0 {
		return member(t)<<1 | 1
	}
	return member(t) << 1
}

func (m member) topic() TopicID  { return TopicID(m >> 1) }
func (m member) important() bool { return m&1 != 0 }

// step is one change of a set: with or without a member. Without an important
// member means without the topic, important or not.
type step struct {
	set     setNumber
	member  member
	without bool
}

func newSetTable(topics []Topic) *setTable {
	s := &setTable{topics: topics, numbers: map[string]setNumber{}, steps: map[step]setNumber{}}
	s.number(nil)
	return s
}

// number gives the number of the set of members, which ascend.
func (s *setTable) number(members []member) setNumber {
	key := make([]byte, 0, 64)
	for _, m := range members {
		key = binary.BigEndian.AppendUint32(key, uint32(m))
	}
	if n, known := s.numbers[string(key)]; known {
		return n
	}
	if s.members += len(members) + 8; s.members > maxMembers {
		s.full = true
		return 0
	}
	n := setNumber(len(s.lists))
	s.numbers[string(key)] = n
	s.lists = append(s.lists, slices.Clone(members))
	s.plain = append(s.plain, n)
	plain := slices.Clone(members)
	for i := range plain {
		plain[i] &^= 1
	}
	s.plain[n] = s.number(slices.Compact(plain))
	return n
}

// with adds m to a set.
func (s *setTable) with(set setNumber, m member) setNumber {
	return s.step(step{set: set, member: m}, func(list []member) []member {
		at, there := slices.BinarySearch(list, m)
		if there {
			return list
		}
		return slices.Insert(slices.Clone(list), at, m)
	})
}

// without takes what m excepts from a set.
func (s *setTable) without(set setNumber, m member) setNumber {
	return s.step(step{set, m, true}, func(list []member) []member {
		return slices.DeleteFunc(slices.Clone(list), func(in member) bool {
			if in.important() && !m.important() {
				return false
			}
			return in.topic() == m.topic() || m.topic() == AnyCategory && s.topics[in.topic()].Kind == KindCategory
		})
	})
}

func (s *setTable) step(st step, change func([]member) []member) setNumber {
	n, known := s.steps[st]
	if !known && !s.full {
		n = s.number(change(s.lists[st.set]))
		if len(s.steps) == maxSteps {
			clear(s.steps)
		}
		s.steps[st] = n
	}
	return n
}

// valueTable gives the values of a trie their numbers: counted first, then
// fixed in an order that depends on nothing but what they are.
type valueTable struct {
	sets    *setTable
	numbers map[[2]setNumber]int // plain self, plain below → index
	pairs   [][2]setNumber
	often   []int // by index: how many nodes have it

	final  []uint16 // by index: the value's number, once fixed
	public [][]TopicID
	values []value // by value's number - 1
}

// count counts a node with the value.
func (v *valueTable) count(self, below setNumber) {
	pair := [2]setNumber{self, below}
	i, known := v.numbers[pair]
	if !known {
		i = len(v.pairs)
		v.numbers[pair] = i
		v.pairs = append(v.pairs, pair)
		v.often = append(v.often, 0)
	}
	v.often[i]++
}

// number is the value's number, once fixed.
func (v *valueTable) number(self, below setNumber) uint16 {
	return v.final[v.numbers[[2]setNumber{self, below}]]
}

// fix numbers the sets that values use, and the values, each in order.
func (v *valueTable) fix() error {
	used := []setNumber{0}
	for _, p := range v.pairs {
		used = append(used, p[0], p[1])
	}
	slices.SortFunc(used, func(a, b setNumber) int { return slices.Compare(v.sets.lists[a], v.sets.lists[b]) })
	used = slices.Compact(used)
	if len(used) > maxSets || len(v.pairs) >= 0xffff {
		return errSets
	}
	ids := make(map[setNumber]SetID, len(used))
	for id, n := range used {
		ids[n] = SetID(id)
		list := make([]TopicID, len(v.sets.lists[n]))
		for i, m := range v.sets.lists[n] {
			list[i] = m.topic()
		}
		v.public = append(v.public, list)
	}
	order := make([]int, len(v.pairs))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int {
		p, q := v.pairs[a], v.pairs[b]
		return cmp.Or(cmp.Compare(ids[p[0]], ids[q[0]]), cmp.Compare(ids[p[1]], ids[q[1]]))
	})
	v.final = make([]uint16, len(v.pairs))
	often := make([]int, 0, len(order))
	for n, i := range order {
		v.final[i] = uint16(n + 1)
		v.values = append(v.values, value{self: ids[v.pairs[i][0]], below: ids[v.pairs[i][1]]})
		often = append(often, v.often[i])
	}
	for n, length := range codeLengths(often) {
		v.values[n].length = length
	}
	return nil
}
