package blocklists

import (
	"bytes"
	"encoding/binary"

	"github.com/treehouse-dns/treehouse/filter"
)

// A record is an entry as it is sorted and stored:
//
//	labels from the right, a zero byte after each · mode code u8 · topic u16
//
// bytes.Compare orders records as filter.Name.Compare orders their names,
// because the zero byte sorts below whatever a host's name may hold, and so do
// the mode codes. For one name, an exception comes after what it undoes and
// before what it does not.
type record []byte

const (
	tailLen = 3 // bytes of mode code and topic

	// maxRecordLen in bytes: a name as text, one zero byte more, and the tail.
	maxRecordLen = maxTextLen + 1 + tailLen
)

// modeOf is the mode of each code.
var modeOf = [...]filter.Mode{filter.Suffix, filter.Exact, filter.Except, filter.Suffix | filter.Important, filter.Exact | filter.Important}

func codeOf(mode filter.Mode) byte {
	for code, m := range modeOf {
		if m == mode {
			return byte(code)
		}
	}
	return 2 // an important exception is an exception
}

// appendKey appends the record of a clean name without its tail.
func appendKey(dst record, name []byte) record {
	for len(name) > 0 {
		dot := bytes.LastIndexByte(name, '.')
		dst = append(append(dst, name[dot+1:]...), 0)
		name = name[:max(dot, 0)]
	}
	return dst
}

// appendNameKey is appendKey for a name in wire format.
func appendNameKey(dst record, name filter.Name) record {
	var at [filter.MaxLabels]uint8
	for i := name.Offsets(&at) - 1; i >= 0; i-- {
		label := name[at[i]+1:][:name[at[i]]]
		dst = append(append(dst, label...), 0)
	}
	return dst
}

func appendTail(dst record, mode filter.Mode, topic uint16) record {
	return append(dst, codeOf(mode), byte(topic>>8), byte(topic))
}

func (r record) key() record          { return r[:len(r)-tailLen] }
func (r record) mode() filter.Mode    { return modeOf[r[len(r)-tailLen]] }
func (r record) topic() uint16        { return binary.BigEndian.Uint16(r[len(r)-2:]) }
func (r record) withoutTopic() record { return r[:len(r)-2] }

// valid tells whether a record that was read back can be one.
func (r record) valid() bool {
	return len(r) > tailLen+1 && len(r) <= maxRecordLen && r[len(r)-tailLen-1] == 0 && int(r[len(r)-tailLen]) < len(modeOf)
}

// appendName appends the name in wire format. Labels of more than 63 bytes
// cannot be in a record.
func (r record) appendName(dst filter.Name) filter.Name {
	for key := r.key(); len(key) > 0; {
		end := len(key) - 1 // the zero after the leftmost label that is left
		start := bytes.LastIndexByte(key[:end], 0) + 1
		dst = append(dst, byte(end-start))
		dst = append(dst, key[start:end]...)
		key = key[:start]
	}
	return append(dst, 0)
}

// parents calls fn with the key of each name that key is at or below, the
// topmost first, until fn returns false.
func parents(key record, fn func(record) bool) {
	for i, c := range key {
		if c == 0 && !fn(key[:i+1]) {
			return
		}
	}
}
