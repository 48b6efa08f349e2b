package blocklists

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/treehouse-dns/treehouse/blocklists/catalogue"
	"github.com/treehouse-dns/treehouse/filter"
)

// A folder of v2fly's files becomes services:
//
//   - a file that the catalogue knows, by a "v2fly:" fact or by a service's ID,
//     adds its names to that service, whose title and group stay;
//   - any other is a service of its own in the group "other", named after the
//     file, unless the catalogue says not-v2fly, it is a collection, or another
//     service includes it;
//   - a category's file is none: long lists are sources.
//
// Those files overlap, and services must not: an entry belongs to the service of
// the file it stands in; what then still belongs to two belongs to neither, as
// with the catalogue's own; what lies under a curated name of another service is
// that service's; and what another service has below a name is taken out of it.

// otherGroup is where services go that no text gives a group.
const otherGroup = "other"

// isCollection tells files that gather others by their names: "category-games",
// "geolocation-cn", "tld-cn".
func isCollection(file string) bool {
	for _, prefix := range [...]string{"category-", "geolocation-", "tld-"} {
		if strings.HasPrefix(file, prefix) {
			return true
		}
	}
	return false
}

// v2flyClaims gathers who claims which name. Names are text without final dots.
type v2flyClaims struct {
	edition *catalogue.Edition
	topics  []string                       // by number
	own     map[string]uint16              // by file, the number of its service
	names   map[string]map[uint16]bool     // name → service → whether what is below is meant, too
	except  map[string]bool                // "service name": taken out by the catalogue
	curated map[string]map[string]bool     // name → service → the same, of the catalogue
	kinds   map[string]filter.Topic        // by ID
	cut     map[uint16]map[string]struct{} // by service: what is taken out of it
}

// v2flyServices is the text that files become, over what edition has.
func v2flyServices(edition, builtIn *catalogue.Edition, files []part, report *Report) (string, error) {
	c := v2flyClaims{
		edition: edition, own: map[string]uint16{}, names: map[string]map[uint16]bool{}, except: map[string]bool{},
		curated: map[string]map[string]bool{}, kinds: map[string]filter.Topic{}, cut: map[uint16]map[string]struct{}{},
	}
	for _, t := range edition.Topics() {
		c.kinds[t.ID] = t
	}
	if err := c.read(files, report); err != nil {
		return "", err
	}
	c.readCurated()
	c.settle(report)
	return c.text(builtIn), nil
}

// fileName is a member's name as includes have it.
func (m part) fileName() string { return m.path[strings.LastIndexByte(m.path, '/')+1:] }

// read finds the services and everything that files claim for them.
func (c *v2flyClaims) read(files []part, report *Report) error {
	graph := v2flyGraph{includes: map[string][]include{}}
	for _, m := range files {
		if err := graph.survey(m.fileName(), strings.NewReader(m.text)); err != nil {
			return err
		}
	}
	for file, includes := range graph.includes { // nothing brings in what is no service
		graph.includes[file] = slices.DeleteFunc(includes, func(in include) bool { return isCollection(in.file) || c.edition.IsNoService(in.file) })
	}
	c.findServices(&graph, report)
	ways, missing := graph.routes(func(file string) (uint16, bool) {
		topic, ok := c.own[file]
		return topic, ok
	})
	if missing > 0 {
		count(report, NoInclude, missing)
	}
	for _, m := range files {
		c.readFile(m, ways, report)
	}
	return nil
}

// findServices tells which files are services.
func (c *v2flyClaims) findServices(graph *v2flyGraph, report *Report) {
	known := map[string]string{} // file → topic of the catalogue
	candidate := map[string]bool{}
	for file := range graph.includes {
		if id, ok := c.edition.V2fly(file); ok {
			known[file] = id
		}
		_, taken := c.kinds[file] // an ID that is no service's
		candidate[file] = known[file] == "" && !taken && !c.edition.IsNoService(file) && !isCollection(file) && !strings.ContainsAny(file, "!_.")
	}
	included := map[string]bool{}
	for file, includes := range graph.includes {
		if candidate[file] || known[file] != "" {
			for _, in := range includes {
				included[in.file] = included[in.file] || in.file != file
			}
		}
	}
	for _, file := range slices.Sorted(maps.Keys(graph.includes)) {
		id := known[file]
		switch {
		case id != "" && c.kinds[id].Kind != filter.KindService:
			count(report, IsCategory, 1)
			continue
		case id == "" && candidate[file] && !included[file]:
			id = file
		case id == "":
			continue
		}
		number := slices.Index(c.topics, id)
		if number < 0 {
			number = len(c.topics)
			c.topics = append(c.topics, id)
		}
		c.own[file] = uint16(number)
	}
}

// count counts what is left out without a line to show.
func count(report *Report, why Reason, n int) {
	if report.Refused == nil {
		report.Refused = map[Reason]int{}
	}
	report.Refused[why] += n
}

// readFile gathers the entries of one file for whom they belong to.
func (c *v2flyClaims) readFile(m part, ways map[string][]route, report *Report) {
	var to []uint16
	s := &sink{report: report, file: m.fileName()}
	s.emit = func(name []byte, mode filter.Mode) (Reason, error) {
		of := c.names[string(name)]
		if of == nil {
			of = map[uint16]bool{}
			c.names[string(name)] = of
		}
		for _, topic := range to {
			of[topic] = of[topic] || mode == filter.Suffix
		}
		return "", nil
	}
	owner, owned := c.own[m.fileName()]
	// A reader of text cannot fail, and emit does not.
	_ = readLines(strings.NewReader(m.text), s, func(s *sink, line []byte) {
		e := splitV2fly(line)
		if string(e.kind) == "include" || len(e.value) == 0 {
			return
		}
		to = to[:0]
		if owned {
			to = append(to, owner)
		}
		add := func(ways []route) {
			for _, way := range ways {
				if !owned && way.admits(e) && !slices.Contains(to, way.topic) {
					to = append(to, way.topic)
				}
			}
		}
		add(ways[m.fileName()])
		for mark := range strings.FieldsSeq(string(e.marks)) {
			if mark[0] == '&' {
				add(ways[mark[1:]])
			}
		}
		if len(to) > 0 {
			e.take(s)
		}
	})
}

// readCurated notes what the catalogue itself says of the services that are
// offered, and of those that files add to.
func (c *v2flyClaims) readCurated() {
	c.edition.Claims(func(claim catalogue.Claim) bool {
		offered := c.kinds[claim.Topic].Group != "" || slices.Contains(c.topics, claim.Topic)
		if claim.Kind != filter.KindService || claim.Topic == "" || !offered {
			return true
		}
		name := strings.TrimSuffix(claim.Name.String(), ".")
		if claim.Mode == filter.Except {
			c.except[claim.Topic+" "+name] = true
			return true
		}
		if c.curated[name] == nil {
			c.curated[name] = map[string]bool{}
		}
		c.curated[name][claim.Topic] = claim.Mode == filter.Suffix
		return true
	})
}

// upward calls fn with a name and those above it, the name first, until fn
// returns false.
func upward(name string, fn func(at string) bool) {
	for name != "" && fn(name) {
		_, name, _ = strings.Cut(name, ".")
	}
}

// excepted tells whether the catalogue has taken a name, or one above it up to
// top, out of a service.
func (c *v2flyClaims) excepted(service, name, top string) (found bool) {
	upward(name, func(at string) bool {
		found = c.except[service+" "+at]
		return !found && at != top
	})
	return found
}

// settle leaves every name with one service, and takes what others have below a
// service's names out of it.
func (c *v2flyClaims) settle(report *Report) {
	names := slices.Sorted(maps.Keys(c.names))
	for _, name := range names {
		of := c.names[name]
		before := len(of)
		maps.DeleteFunc(of, func(topic uint16, _ bool) bool {
			id := c.topics[topic]
			_, has := c.curated[name][id]
			return has || c.excepted(id, name, "") || c.isCurated(name, id)
		})
		if len(of) > 1 {
			clear(of)
		}
		if len(of) == 0 {
			delete(c.names, name)
			if before > 0 {
				count(report, IsAnothers, 1)
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(c.names)) {
		for topic := range c.names[name] {
			c.takeOut(name, c.topics[topic])
		}
	}
	for _, name := range slices.Sorted(maps.Keys(c.curated)) {
		for id := range c.curated[name] {
			c.takeOut(name, id)
		}
	}
}

// isCurated tells whether a name lies at or under a curated one of another
// service than id.
func (c *v2flyClaims) isCurated(name, id string) (found bool) {
	upward(name, func(at string) bool {
		for other, below := range c.curated[at] {
			found = found || other != id && (below || at == name) && !c.excepted(other, name, at)
		}
		return !found
	})
	return found
}

// takeOut takes a name of service id out of the services that have one above it.
func (c *v2flyClaims) takeOut(name, id string) {
	upward(name, func(at string) bool {
		for topic, below := range c.names[at] {
			service := c.topics[topic]
			if !below || service == id || at == name || c.excepted(service, name, at) {
				continue
			}
			if c.cut[topic] == nil {
				c.cut[topic] = map[string]struct{}{}
			}
			c.cut[topic][name] = struct{}{}
		}
		return true
	})
}

// text writes the services down as a catalogue has them.
func (c *v2flyClaims) text(builtIn *catalogue.Edition) string {
	byTopic := make([][]string, len(c.topics))
	for _, name := range slices.Sorted(maps.Keys(c.names)) {
		for topic, below := range c.names[name] {
			word := name
			if !below {
				word = "=" + name
			}
			byTopic[topic] = append(byTopic[topic], word)
		}
	}
	var out strings.Builder
	for topic, names := range byTopic {
		if len(names) == 0 {
			continue
		}
		id := c.topics[topic]
		_, known := c.kinds[id]
		switch {
		case c.edition.Defines(id):
			fmt.Fprintln(&out, id)
		case known:
			out.WriteString(builtIn.Extract(func(t filter.Topic) bool { return t.ID == id }))
		default:
			fmt.Fprintf(&out, "@kind %s\n@group %s\n%s = %[3]s\n", filter.KindService, otherGroup, id)
		}
		for _, name := range names {
			fmt.Fprintln(&out, " ", name)
		}
		for _, name := range slices.Sorted(maps.Keys(c.cut[uint16(topic)])) {
			fmt.Fprintf(&out, "  !%s\n", name)
		}
	}
	return out.String()
}
