package blocklists

import (
	"bytes"

	"github.com/treehouse-dns/treehouse/filter"
)

// parseAdblock reads what the rules of ad blockers say about whole hosts:
//
//	||name^             the name and all below it
//	|name^  ://name^    the name only
//	@@…                 an exception: its source's topic has no hold on the name,
//	                    whichever list put it there
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
	rule, excepted := bytes.CutPrefix(line, []byte("@@"))
	rule, options, optional := bytes.Cut(rule, []byte{'$'})
	if !excepted && !optional && !isAnchored(rule) && !bytes.HasSuffix(rule, []byte{'^'}) && rule[0] != '/' {
		parseHosts(s, rule) // which knows "#" comments
		return
	}
	name, mode, reason := ruleName(rule)
	important, denyallow, known := ruleOptions(options)
	switch {
	case reason != "":
		s.refuse(reason)
	case !known, important && len(denyallow) > 0: // which contradict each other in filter.Mode
		s.refuse(NotDNS)
	case excepted:
		s.name(name, filter.Except)
	case important:
		s.name(name, mode|filter.Important)
	default:
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

// anchors are what ties a pattern to the start of a host; "||" also to any
// label of it.
var anchors = [...]string{"||", "|https://", "|http://", "|://", "|", "https://", "http://", "://"}

func isAnchored(rule []byte) bool {
	_, anchored := cutAnchor(rule)
	return anchored
}

func cutAnchor(rule []byte) (rest []byte, anchored bool) {
	for _, a := range anchors {
		if rest, anchored = bytes.CutPrefix(rule, []byte(a)); anchored {
			return rest, true
		}
	}
	return rule, false
}

// ruleName takes the host out of a rule's pattern.
func ruleName(rule []byte) (name []byte, mode filter.Mode, reason Reason) {
	name, anchored := cutAnchor(rule)
	mode = filter.Exact
	if bytes.HasPrefix(rule, []byte("||")) {
		mode, name = filter.Suffix, bytes.TrimPrefix(name, []byte("*."))
	}
	name, closed := bytes.CutSuffix(bytes.TrimSuffix(name, []byte{'|'}), []byte{'^'})
	switch {
	case !anchored: // "ads.example^" and "/ads[0-9]/" match anywhere in a URL
		return nil, 0, IsPattern
	case bytes.IndexByte(name, '/') >= 0 || bytes.IndexByte(name, '?') >= 0:
		return nil, 0, IsURL
	case bytes.IndexByte(name, '*') >= 0 || bytes.IndexByte(name, '^') >= 0:
		return nil, 0, IsPattern
	case mode == filter.Exact && !closed: // "|ads.example" goes on to match "ads.example.org"
		return nil, 0, IsPattern
	}
	return name, mode, ""
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
