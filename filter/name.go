package filter

import (
	"bytes"
	"errors"
	"fmt"
)

// Limits of a domain name, from RFC 1035 §2.3.4 and §3.1.
const (
	MaxNameLen  = 255 // bytes on the wire, the root's zero byte included
	MaxLabelLen = 63  // bytes in one label
	MaxLabels   = 127 // labels in one name, the root not counted
)

// Errors that a name can have, whether it is typed or comes in a packet.
var (
	ErrNameEmpty      = errors.New("the name is empty")
	ErrNameLong       = errors.New("the name is longer than 255 bytes")
	ErrLabelLong      = errors.New("a label is longer than 63 bytes")
	ErrLabelEmpty     = errors.New("a label is empty (two dots in a row)")
	ErrNameEscape     = errors.New(`a backslash must be followed by three digits up to 255, or by one character`)
	ErrNameTruncated  = errors.New("the packet ends inside a name")
	ErrNameCompressed = errors.New("the name is compressed where it may not be")
)

// Name is a domain name as it travels: labels with a length byte before each,
// ASCII letters in lower case, the root's zero byte at the end (RFC 1035 §3.1).
// A Name made by this package is always well formed; the zero Name (nil) is no
// name at all and matches nothing. Slicing off leading labels gives the parent
// without a copy, so treat the bytes as read-only. A Name may borrow a buffer:
// whoever keeps one longer than the buffer clones it with bytes.Clone.
type Name []byte

// root is the name of the root zone, ".".
var root = Name{0}

// ParseName reads a name in presentation format (RFC 1035 §5.1): dots between
// labels, an optional final dot, \DDD and \X escapes. Letters become lower
// case. Names in other scripts are not turned into A-labels here; that is the
// edge's business.
func ParseName(s string) (Name, error) {
	return AppendName(make(Name, 0, len(s)+2), s)
}

// AppendName is ParseName without the allocation: it appends the wire form of s
// to dst, which lets a list parser reuse one buffer for every line.
func AppendName(dst Name, s string) (Name, error) {
	if s == "" {
		return nil, ErrNameEmpty
	}
	if s == "." {
		return append(dst, 0), nil
	}
	start := len(dst)
	lengthAt := len(dst)
	dst = append(dst, 0)
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c == '.' {
			n := len(dst) - lengthAt - 1
			if n == 0 {
				return nil, ErrLabelEmpty
			}
			dst[lengthAt] = byte(n)
			lengthAt = len(dst)
			dst = append(dst, 0)
			continue
		}
		if c == '\\' {
			value, width, ok := unescape(s[i+1:])
			if !ok {
				return nil, ErrNameEscape
			}
			c, i = value, i+width
		}
		dst = append(dst, lower(c))
		if len(dst)-lengthAt-1 > MaxLabelLen {
			return nil, ErrLabelLong
		}
		if len(dst)-start >= MaxNameLen {
			return nil, ErrNameLong
		}
	}
	if n := len(dst) - lengthAt - 1; n > 0 { // no final dot: close the last label
		dst[lengthAt] = byte(n)
		dst = append(dst, 0)
	}
	if len(dst)-start > MaxNameLen {
		return nil, ErrNameLong
	}
	return dst, nil
}

// MustName is ParseName for names known when the program is written; it panics
// on a bad one.
func MustName(s string) Name {
	n, err := ParseName(s)
	if err != nil {
		panic(fmt.Sprintf("filter.MustName(%q): %v", s, err))
	}
	return n
}

// unescape reads what follows a backslash: its value and how many bytes it took.
func unescape(s string) (value byte, width int, ok bool) {
	if s == "" {
		return 0, 0, false
	}
	if !isDigit(s[0]) {
		return s[0], 1, true
	}
	if len(s) < 3 || !isDigit(s[1]) || !isDigit(s[2]) {
		return 0, 0, false
	}
	v := int(s[0]-'0')*100 + int(s[1]-'0')*10 + int(s[2]-'0')
	return byte(v), 3, v <= 255
}

// ReadName reads an uncompressed name from the front of a message part into
// buf, lower-cased, and says how many bytes it took. A question's name is never
// compressed (RFC 1035 §4.1.4 allows it to be, nobody does it, and a first name
// has nothing to point at), so a pointer is an error. The returned Name borrows
// buf.
func ReadName(buf *[MaxNameLen]byte, wire []byte) (n Name, width int, err error) {
	at := 0
	for {
		if at >= len(wire) {
			return nil, 0, ErrNameTruncated
		}
		length := int(wire[at])
		if length > MaxLabelLen {
			return nil, 0, ErrNameCompressed
		}
		end := at + 1 + length
		if length == 0 {
			buf[at] = 0
			return Name(buf[:end]), end, nil
		}
		if end >= MaxNameLen { // the root's byte still has to fit
			return nil, 0, ErrNameLong
		}
		if end > len(wire) {
			return nil, 0, ErrNameTruncated
		}
		buf[at] = byte(length)
		for i := at + 1; i < end; i++ {
			buf[i] = lower(wire[i])
		}
		at = end
	}
}

// IsRoot tells whether n is the root, ".".
func (n Name) IsRoot() bool { return len(n) == 1 }

// Parent is n without its first label; the parent of the root is the root.
func (n Name) Parent() Name {
	if len(n) <= 1 {
		return n
	}
	return n[1+int(n[0]):]
}

// Labels counts the labels of n, the root not counted.
func (n Name) Labels() int {
	count := 0
	for len(n) > 1 {
		n = n.Parent()
		count++
	}
	return count
}

// Offsets fills at with the position of each label's length byte, leftmost
// first, and returns how many there are. A walk from the right goes backwards
// through them.
func (n Name) Offsets(at *[MaxLabels]uint8) int {
	count, i := 0, 0
	for i < len(n) && n[i] != 0 && count < MaxLabels {
		at[count] = uint8(i)
		i += 1 + int(n[i])
		count++
	}
	return count
}

// IsBelow tells whether n is zone or a name below it.
func (n Name) IsBelow(zone Name) bool {
	if len(zone) == 0 {
		return false
	}
	for len(n) > len(zone) {
		n = n.Parent()
	}
	return bytes.Equal(n, zone)
}

// Compare orders names canonically (RFC 4034 §6.1): label by label from the
// right, so that a name comes straight before everything below it.
func (n Name) Compare(other Name) int {
	var a, b [MaxLabels]uint8
	i, j := n.Offsets(&a), other.Offsets(&b)
	for i > 0 && j > 0 {
		i, j = i-1, j-1
		x, y := n[a[i]:], other[b[j]:]
		if c := bytes.Compare(x[1:1+int(x[0])], y[1:1+int(y[0])]); c != 0 {
			return c
		}
	}
	return i - j
}

// String is n in presentation format with its final dot, special bytes escaped
// (RFC 1035 §5.1), so it can be printed in a terminal or a log whatever a
// client put into it.
func (n Name) String() string {
	if len(n) == 0 {
		return ""
	}
	if n.IsRoot() {
		return "."
	}
	out := make([]byte, 0, len(n)+8)
	for len(n) > 1 {
		end := min(1+int(n[0]), len(n))
		for _, c := range n[1:end] {
			switch {
			case c == '.' || c == '\\' || c == '"' || c == ';' || c == '(' || c == ')' || c == '@' || c == '$':
				out = append(out, '\\', c)
			case c <= ' ' || c >= 0x7f:
				out = append(out, '\\', '0'+c/100, '0'+c/10%10, '0'+c%10)
			default:
				out = append(out, c)
			}
		}
		out = append(out, '.')
		n = n[end:]
	}
	return string(out)
}

func lower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		return c + ('a' - 'A')
	}
	return c
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }
