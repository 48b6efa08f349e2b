package web

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// maxLogo is the largest logo in bytes: it is on every page, the cold ones too.
const maxLogo = 4 << 10

// What a logo may be made of: shapes and their colours. Nothing here runs,
// refers to anything, or fetches anything.
const (
	logoElements = " svg g path circle ellipse rect line polyline polygon title desc "
	logoAttrs    = " xmlns version viewBox width height x y x1 y1 x2 y2 cx cy r rx ry d points transform" +
		" fill fill-rule fill-opacity stroke stroke-width stroke-linecap stroke-linejoin stroke-miterlimit stroke-opacity stroke-dasharray" +
		" clip-rule opacity preserveAspectRatio role aria-label id "
	svgNamespace = "http://www.w3.org/2000/svg"
)

// CleanLogo reads an SVG and writes it anew with nothing in it but what a logo
// may be made of. What it does not know it refuses, with what to do: it drops
// nothing but comments and the XML declaration. It may be called by anyone.
func CleanLogo(svg []byte) ([]byte, error) {
	if len(svg) > maxLogo {
		return nil, fmt.Errorf("the logo has %d bytes; make it %d or fewer", len(svg), maxLogo)
	}
	if !utf8.Valid(svg) {
		return nil, errors.New("the logo is no SVG in UTF-8; save it as plain SVG")
	}
	l := &logoReader{rest: strings.TrimPrefix(string(svg), "\ufeff")}
	if err := l.document(); err != nil {
		return nil, err
	}
	return l.out.Bytes(), nil
}

// logoReader is a reader of the small part of XML that plain SVG is.
type logoReader struct {
	rest string
	open []string // elements not closed yet
	out  bytes.Buffer
}

func (l *logoReader) document() error {
	roots := 0
	for l.rest != "" {
		text, after, isTag := strings.Cut(l.rest, "<")
		if l.rest = after; !isTag {
			l.rest = ""
		}
		if err := l.text(text); err != nil {
			return err
		}
		if !isTag {
			break
		}
		if len(l.open) == 0 && !strings.HasPrefix(l.rest, "?") && !strings.HasPrefix(l.rest, "!--") {
			roots++
		}
		if err := l.tag(); err != nil {
			return err
		}
		if roots > 1 {
			return errors.New("the logo has more than one <svg>; keep one")
		}
	}
	if roots == 0 || len(l.open) > 0 {
		return errors.New("the logo does not end as an SVG does; save it again as plain SVG")
	}
	return nil
}

// text is what stands between tags: words in <title> and <desc>, else nothing.
func (l *logoReader) text(s string) error {
	if strings.TrimSpace(s) == "" {
		return nil
	}
	if n := len(l.open); n == 0 || l.open[n-1] != "title" && l.open[n-1] != "desc" {
		return errors.New("the logo has text in it; turn the text into paths")
	}
	if strings.ContainsAny(s, "&>") {
		return errors.New("the logo's title has & or > in it; leave them out")
	}
	l.out.WriteString(s)
	return nil
}

// tag reads what follows a "<".
func (l *logoReader) tag() error {
	for _, skipped := range [...][2]string{{"!--", "-->"}, {"?xml ", "?>"}} {
		if rest, ok := strings.CutPrefix(l.rest, skipped[0]); ok {
			_, after, ends := strings.Cut(rest, skipped[1])
			if l.rest = after; !ends {
				return errors.New("the logo has a comment that does not end; save it again as plain SVG")
			}
			return nil
		}
	}
	if rest, ok := strings.CutPrefix(l.rest, "/"); ok {
		name, after, ends := strings.Cut(rest, ">")
		n := len(l.open)
		if name = strings.TrimSpace(name); !ends || n == 0 || l.open[n-1] != name {
			return fmt.Errorf("the logo closes <%.20s>, which is not open there; save it again as plain SVG", name)
		}
		l.open, l.rest = l.open[:n-1], after
		fmt.Fprintf(&l.out, "</%s>", name)
		return nil
	}
	name := l.word()
	if !isOf(name, logoElements) || (len(l.open) == 0) != (name == "svg") {
		return fmt.Errorf("the logo may not have <%.20s> there; it is made of %s", name, strings.TrimSpace(logoElements))
	}
	l.out.WriteString("<" + name)
	if err := l.attributes(name); err != nil {
		return err
	}
	if rest, ok := strings.CutPrefix(l.rest, "/>"); ok {
		l.out.WriteString("/>")
		l.rest = rest
		return nil
	}
	l.out.WriteString(">")
	l.open, l.rest = append(l.open, name), l.rest[1:] // attributes has seen the ">"
	return nil
}

// attributes reads and writes the attributes of an element, to its end.
func (l *logoReader) attributes(element string) error {
	var seen []string
	for {
		l.rest = strings.TrimLeft(l.rest, " \t\r\n")
		if strings.HasPrefix(l.rest, ">") || strings.HasPrefix(l.rest, "/>") {
			if element == "svg" && !slices.Contains(seen, "xmlns") {
				fmt.Fprintf(&l.out, " xmlns=%q", svgNamespace)
			}
			return nil
		}
		name := l.word()
		if !isOf(name, logoAttrs) || slices.Contains(seen, name) {
			return fmt.Errorf("the logo's <%s> may not have %.30q; take it out, or save as plain or optimised SVG", element, name)
		}
		seen = append(seen, name)
		l.rest = strings.TrimLeft(l.rest, " \t\r\n")
		quoted, ok := strings.CutPrefix(l.rest, "=")
		quoted = strings.TrimLeft(quoted, " \t\r\n")
		if !ok || quoted == "" || quoted[0] != '"' && quoted[0] != '\'' {
			return fmt.Errorf("the logo's %s has no value in quotes; save it again as plain SVG", name)
		}
		value, after, ends := strings.Cut(quoted[1:], quoted[:1])
		if !ends {
			return fmt.Errorf("the logo's %s does not end; save it again as plain SVG", name)
		}
		l.rest = after
		if err := checkLogoValue(name, value); err != nil {
			return err
		}
		fmt.Fprintf(&l.out, ` %s="%s"`, name, value)
	}
}

// checkLogoValue allows numbers, colours and words; nothing that refers to
// something else, and nothing that would have to be escaped.
func checkLogoValue(name, value string) error {
	switch {
	case name == "xmlns" && value != svgNamespace:
		return fmt.Errorf("the logo's xmlns is %.60q; it is %s", value, svgNamespace)
	case name == "xmlns":
		return nil
	case strings.ContainsAny(value, "<>&\"'\\:;@") || strings.Contains(strings.ToLower(value), "url"):
		return fmt.Errorf("the logo's %s refers to something or holds what it may not: %.40q; use plain numbers and colours", name, value)
	}
	for _, r := range value {
		if r < ' ' && !strings.ContainsRune("\t\r\n", r) || r == 0x7f {
			return fmt.Errorf("the logo's %s has a character that cannot be shown; take it out", name)
		}
	}
	return nil
}

// word takes a name of letters, digits and what names may hold besides.
func (l *logoReader) word() string {
	end := strings.IndexFunc(l.rest, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-_:.!?[", r))
	})
	if end < 0 {
		end = len(l.rest)
	}
	word := l.rest[:end]
	l.rest = l.rest[end:]
	return word
}

// isOf tells whether a name is one of a list that is written with spaces.
func isOf(name, list string) bool { return name != "" && strings.Contains(list, " "+name+" ") }
