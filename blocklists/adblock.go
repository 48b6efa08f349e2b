package blocklists

import (
	"bytes"

	"github.com/treehouse-dns/treehouse/filter"
)

// parseAdblock reads what the rules of ad blockers say about whole hosts:
//
//	||name^             the name and all below it
//	|name^  ://name^    the name only
//	@@…                 an exception
//	$important          an exception does not undo it
//	$denyallow=a|b      names below that are excepted
//	name, 0.0.0.0 name  as in the plain formats
//
// Rules about paths, kinds of requests, pages' elements, patterns: DNS sees none
// of that, so they are counted as what they are and never widened to a host.
func parseAdblock(s *sink, line []byte) {
	if line[0] == '!' || line[0] == '[' {
		return
	}
	if isCosmetic(line) {
		s.refuse(NotDNS)
		return
	}
	if line[0] == '#' {
		return
	}
	rule, options, _ := bytes.Cut(line, []byte{'$'})
	rule, excepted := bytes.CutPrefix(rule, []byte("@@"))
	if len(rule) > 1 && rule[0] == '/' {
		s.refuse(IsPattern)
		return
	}
	name, mode, plain, reason := ruleName(rule)
	if reason == "" && plain && len(options) == 0 && !excepted {
		parseHosts(s, rule)
		return
	}
	important, denyallow, known := ruleOptions(options)
	switch {
	case reason != "":
		s.refuse(reason)
	case !known:
		s.refuse(NotDNS)
	case excepted:
		s.name(name, filter.Except)
	default:
		if important {
			mode |= filter.Important
		}
		s.name(name, mode)
		for len(denyallow) > 0 {
			var below []byte
			below, denyallow, _ = bytes.Cut(denyallow, []byte{'|'})
			if isBelow(below, name) {
				s.name(below, filter.Except)
			}
		}
	}
}

// isCosmetic tells rules about elements of a page: "##", "#@#", "#?#", "#$#", "#%#".
func isCosmetic(line []byte) bool {
	for i := range len(line) - 1 {
		if line[i] == '#' && (line[i+1] == '#' || i+2 < len(line) && bytes.IndexByte([]byte("@?$%"), line[i+1]) >= 0 && bytes.IndexByte(line[i+2:], '#') >= 0) {
			return i == 0 || line[i-1] != ' '
		}
	}
	return false
}

// ruleName takes the host out of a rule's pattern; plain if it is nothing but a
// host, or a line of a hosts file.
func ruleName(rule []byte) (name []byte, mode filter.Mode, plain bool, reason Reason) {
	name, mode = rule, filter.Suffix
	if rest, ok := bytes.CutPrefix(name, []byte("||")); ok {
		name = bytes.TrimPrefix(rest, []byte("*."))
	} else {
		anchored := false
		if rest, ok := bytes.CutPrefix(name, []byte{'|'}); ok {
			name, anchored = rest, true
		}
		for _, scheme := range [...]string{"https://", "http://", "://"} {
			if rest, ok := bytes.CutPrefix(name, []byte(scheme)); ok {
				name, anchored = rest, true
				break
			}
		}
		if anchored {
			mode = filter.Exact
		} else {
			plain = !bytes.HasSuffix(name, []byte{'^'})
		}
	}
	name = bytes.TrimSuffix(name, []byte{'|'})
	host, closed := bytes.CutSuffix(name, []byte{'^'})
	switch {
	case bytes.IndexByte(host, '/') >= 0 || bytes.IndexByte(host, '?') >= 0:
		return nil, 0, false, IsURL
	case bytes.IndexByte(host, '*') >= 0 || bytes.IndexByte(host, '^') >= 0:
		return nil, 0, false, IsPattern
	case !plain && mode == filter.Suffix && !bytes.HasPrefix(rule, []byte("||")) && closed:
		return nil, 0, false, IsPattern // "ads.example^" matches anywhere in a URL
	case mode == filter.Exact && !closed && !bytes.Equal(rule, name):
		// "|http://ads.example" without "^" goes on matching "ads.example.org"
		return nil, 0, false, IsPattern
	}
	return host, mode, plain, ""
}

// ruleOptions reads what stands after "$". known is false if any of it narrows
// the rule to something that DNS does not see.
func ruleOptions(options []byte) (important bool, denyallow []byte, known bool) {
	for len(options) > 0 {
		var option []byte
		option, options, _ = bytes.Cut(options, []byte{','})
		switch key, value, _ := bytes.Cut(option, []byte{'='}); string(key) {
		case "important":
			important = true
		case "denyallow":
			denyallow = value
		case "all", "doc", "document": // the whole host, which is what DNS does
		default:
			return false, nil, false
		}
	}
	return important, denyallow, true
}

// isBelow tells whether name, as text, is below zone.
func isBelow(name, zone []byte) bool {
	n := len(name) - len(zone)
	return n > 1 && name[n-1] == '.' && bytes.EqualFold(name[n:], zone)
}
