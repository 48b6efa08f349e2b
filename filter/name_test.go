package filter

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"
)

func TestParseName(t *testing.T) {
	label63, label64 := strings.Repeat("a", 63), strings.Repeat("a", 64)
	longest := strings.Repeat(label63+".", 3) + strings.Repeat("b", 61) // 3·64 + 62 + 1 = 255 bytes
	for _, c := range []struct {
		in   string
		want string // as String prints it
		err  error
	}{
		{"Example.COM", "example.com.", nil},
		{"example.com.", "example.com.", nil},
		{".", ".", nil},
		{`a\.b.example`, `a\.b.example.`, nil},
		{`\065bc.example`, "abc.example.", nil}, // an escaped letter is a letter: RFC 4343 §2.1
		{`\000\255.example`, `\000\255.example.`, nil},
		{label63 + ".example", label63 + ".example.", nil},
		{longest, longest + ".", nil},
		{longest + ".", longest + ".", nil},
		{strings.Repeat("a.", 127), strings.Repeat("a.", 127), nil},
		{"", "", ErrNameEmpty},
		{label64 + ".example", "", ErrLabelLong},
		{longest + "b", "", ErrNameLong},
		{strings.Repeat("a.", 128), "", ErrNameLong},
		{"a..b", "", ErrLabelEmpty},
		{".a", "", ErrLabelEmpty},
		{"..", "", ErrLabelEmpty},
		{`a\`, "", ErrNameEscape},
		{`a\25`, "", ErrNameEscape},
		{`a\256`, "", ErrNameEscape},
	} {
		got, err := ParseName(c.in)
		if !errors.Is(err, c.err) || got.String() != c.want {
			t.Errorf("%.80q: %q, %v; want %q, %v", c.in, got, err, c.want, c.err)
		}
	}
}

func TestReadName(t *testing.T) {
	var buf [MaxNameLen]byte
	for _, c := range []struct {
		wire  string
		want  string
		width int
		err   error
	}{
		{"\x03WwW\x07Example\x00rest", "www.example.", 13, nil},
		{"\x00", ".", 1, nil},
		{"", "", 0, ErrNameTruncated},
		{"\x03ww", "", 0, ErrNameTruncated},
		{"\x03www", "", 0, ErrNameTruncated},
		{"\x03www\xc0\x0c", "", 0, ErrNameCompressed},
		{"\x40www", "", 0, ErrNameCompressed},
		{strings.Repeat("\x01a", 127) + "\x00", strings.Repeat("a.", 127), 255, nil},
		{strings.Repeat("\x01a", 128) + "\x00", "", 0, ErrNameLong},
	} {
		got, width, err := ReadName(&buf, []byte(c.wire))
		if !errors.Is(err, c.err) || width != c.width || got.String() != c.want {
			t.Errorf("%.40q: %q, %d, %v; want %q, %d, %v", c.wire, got, width, err, c.want, c.width, c.err)
		}
	}
}

func TestNameRelations(t *testing.T) {
	n := MustName("www.example.com")
	if got := n.Parent().Parent().Parent().Parent(); !got.IsRoot() {
		t.Errorf("the fourth parent of %v is %v", n, got)
	}
	if n.Labels() != 3 || root.Labels() != 0 {
		t.Errorf("labels: %d and %d", n.Labels(), root.Labels())
	}
	for zone, want := range map[string]bool{
		"www.example.com": true, "example.com": true, ".": true,
		"ple.com": false, "w.example.com": false, "a.www.example.com": false, "xexample.com": false,
	} {
		if got := n.IsBelow(MustName(zone)); got != want {
			t.Errorf("%v below %s: %v", n, zone, got)
		}
	}
	if Name(nil).IsBelow(nil) || n.IsBelow(nil) {
		t.Error("something is below no name at all")
	}
}

// TestCompareIsCanonical sorts as RFC 4034 §6.1 does in its example, and keeps
// a name right before what is below it, whatever bytes sort below a dot.
func TestCompareIsCanonical(t *testing.T) {
	want := []string{
		"example.", "a.example.", "yljkjljk.a.example.", "z.a.example.", "zabc.a.example.", "z.example.",
		`\001.z.example.`, "*.z.example.", "z-z.example.", `\200.z.example.`,
	}
	slices.SortFunc(want, func(a, b string) int { return MustName(a).Compare(MustName(b)) })
	got := strings.Join(want, " ")
	const order = `example. a.example. yljkjljk.a.example. z.a.example. zabc.a.example. z.example. \001.z.example. *.z.example. \200.z.example. z-z.example.`
	if got != order {
		t.Errorf("sorted as %s", got)
	}
}

// FuzzName holds that a name that parses is well formed, prints as something
// that parses to itself, and reads back from the wire the same.
func FuzzName(f *testing.F) {
	for _, s := range []string{"example.com", ".", `a\.b.c`, `\000.\255`, "a..b", strings.Repeat("a.", 127), "-", "xn--nxasmq6b"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		n, err := ParseName(s)
		if err != nil {
			return
		}
		if len(n) > MaxNameLen || n.Labels() > MaxLabels || n[len(n)-1] != 0 {
			t.Fatalf("%q became a name of %d bytes and %d labels", s, len(n), n.Labels())
		}
		again, err := ParseName(n.String())
		if err != nil || !bytes.Equal(n, again) {
			t.Fatalf("%q prints as %q, which is %v, %v", s, n, again, err)
		}
		var buf [MaxNameLen]byte
		wire, width, err := ReadName(&buf, n)
		if err != nil || width != len(n) || !bytes.Equal(wire, n) {
			t.Fatalf("%q read back from the wire: %v, %d, %v", s, wire, width, err)
		}
	})
}

// FuzzReadName holds that no packet makes a name that is not one.
func FuzzReadName(f *testing.F) {
	f.Add([]byte("\x03www\x07example\x00"))
	f.Add([]byte("\xc0\x00"))
	f.Add(bytes.Repeat([]byte("\x01a"), 200))
	f.Fuzz(func(t *testing.T, wire []byte) {
		var buf [MaxNameLen]byte
		n, width, err := ReadName(&buf, wire)
		if err != nil {
			return
		}
		again, perr := ParseName(n.String())
		if width != len(n) || perr != nil || !bytes.Equal(n, again) {
			t.Fatalf("%x: %q of %d bytes, width %d, %v", wire, n, len(n), width, perr)
		}
	})
}
