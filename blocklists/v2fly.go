package blocklists

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"path"

	"github.com/treehouse-dns/treehouse/filter"
)

// A v2fly list is a folder of files, one for each service:
//
//	name, domain:name   the name and all below it
//	full:name           the name only
//	keyword:, regexp:   patterns, counted
//	include:file @a @-b the entries of another file, those with attribute a and without b
//	… @attr             an attribute of the entry
//	… &file             the entry belongs to that file as well
//
// Names of files are looked up among the archive's own and nowhere else.

// Limits of an archive's includes. The published one has 1,536 files, 1,712
// includes, and a depth of 6.
const (
	maxV2flyFiles    = 16 << 10
	maxV2flyIncludes = 64 << 10
	maxV2flyDepth    = 16
)

// parseV2fly reads a file of its own, without the others it may include.
func parseV2fly(s *sink, line []byte) {
	e := splitV2fly(line)
	if string(e.kind) == "include" {
		s.refuse(NoInclude)
		return
	}
	e.take(s)
}

// v2flyEntry is one line, its parts borrowed.
type v2flyEntry struct {
	kind  []byte // none, "domain", "full", "include" …
	value []byte
	marks []byte // the rest: @attributes and &affiliations
}

func splitV2fly(line []byte) (e v2flyEntry) {
	line = uncomment(line, '#')
	e.value, e.marks = field(line)
	if kind, value, ok := bytes.Cut(e.value, []byte{':'}); ok {
		e.kind, e.value = kind, value
	}
	return e
}

func (e v2flyEntry) take(s *sink) {
	switch string(e.kind) {
	case "", "domain":
		if len(e.value) > 0 {
			s.name(e.value, filter.Suffix)
		}
	case "full":
		s.name(e.value, filter.Exact)
	case "keyword", "regexp":
		s.refuse(IsPattern)
	default:
		s.refuse(NotAName)
	}
}

// has tells whether the entry carries a mark, "@ads" or "&google".
func (e v2flyEntry) has(mark string) bool {
	for rest := e.marks; len(rest) > 0; {
		var word []byte
		if word, rest = field(rest); string(word) == mark {
			return true
		}
	}
	return false
}

// condition is what an include asks of an entry's attributes.
type condition struct {
	mark string // "@ads"
	has  bool
}

type include struct {
	file string
	only []condition
}

// v2flyGraph says which topics the entries of a file go to.
type v2flyGraph struct {
	includes map[string][]include // by the file that includes
	count    int
}

// survey reads the includes of one file.
func (g *v2flyGraph) survey(file string, r io.Reader) error {
	if len(g.includes) >= maxV2flyFiles {
		return fmt.Errorf("it holds more than %d files", maxV2flyFiles)
	}
	g.includes[file] = nil
	quiet := sink{report: &Report{}}
	err := readLines(r, &quiet, func(_ *sink, line []byte) {
		e := splitV2fly(line)
		if string(e.kind) != "include" || g.count >= maxV2flyIncludes {
			return
		}
		g.count++
		in := include{file: string(e.value)}
		for rest := e.marks; len(rest) > 0; {
			var word []byte
			word, rest = field(rest)
			if attribute, ok := bytes.CutPrefix(word, []byte("@-")); ok {
				in.only = append(in.only, condition{mark: "@" + string(attribute)})
			} else if word[0] == '@' {
				in.only = append(in.only, condition{mark: string(word), has: true})
			}
		}
		g.includes[file] = append(g.includes[file], in)
	})
	if g.count >= maxV2flyIncludes {
		return fmt.Errorf("it holds more than %d includes", maxV2flyIncludes)
	}
	return err
}

// route is one way for an entry into a topic.
type route struct {
	topic uint16
	only  []condition
}

func (r route) admits(e v2flyEntry) bool {
	for _, c := range r.only {
		if e.has(c.mark) != c.has {
			return false
		}
	}
	return true
}

// routes finds the ways from every file into topics: topicOf gives the topic of
// the files that have one. missing are the includes that are not in the archive.
func (g *v2flyGraph) routes(topicOf func(file string) (uint16, bool)) (ways map[string][]route, missing int) {
	ways = map[string][]route{}
	for file := range g.includes {
		if topic, ok := topicOf(file); ok {
			missing += g.follow(ways, file, route{topic: topic}, map[string]bool{}, 0)
		}
	}
	return ways, missing
}

// follow adds a way to file and to all it includes. A file includes itself,
// perhaps by way of others, only by mistake: on a path each is met once.
func (g *v2flyGraph) follow(ways map[string][]route, file string, way route, path map[string]bool, depth int) (missing int) {
	includes, ok := g.includes[file]
	if !ok {
		return 1
	}
	if path[file] || depth > maxV2flyDepth || len(ways[file]) >= maxV2flyRoutes {
		return 0
	}
	for _, known := range ways[file] {
		if known.topic == way.topic && len(known.only) == 0 {
			return 0 // everything in it comes in already
		}
	}
	path[file] = true
	ways[file] = append(ways[file], way)
	for _, in := range includes {
		next := route{topic: way.topic, only: append(way.only[:len(way.only):len(way.only)], in.only...)}
		missing += g.follow(ways, in.file, next, path, depth+1)
	}
	delete(path, file)
	return missing
}

// maxV2flyRoutes is how many ways may lead out of one file: more would be an
// archive made to be slow.
const maxV2flyRoutes = 256

// v2flyFile is the name of the service an archive's member describes.
func v2flyFile(h *tar.Header) (name string, ok bool) {
	dir, name := path.Split(path.Clean(h.Name))
	return name, h.Typeflag == tar.TypeReg && path.Base(dir) == "data" && len(name) <= maxIDLen
}

// v2flyArchive imports the files of an archive that have a topic, and what they
// include. The archive is read twice, so that its size does not matter.
func (im *importer) v2flyArchive(open func() (*tar.Reader, func(), error)) error {
	if im.source.Topic != "" {
		return errors.New("it holds many services, each its own topic; import it without a topic")
	}
	graph := v2flyGraph{includes: map[string][]include{}}
	err := eachMember(open, func(h *tar.Header, r io.Reader) error {
		if file, ok := v2flyFile(h); ok {
			return graph.survey(file, r)
		}
		return nil
	})
	if err != nil {
		return err
	}
	ways, missing := graph.routes(func(file string) (uint16, bool) {
		id, ok := im.catalogue.V2fly(file)
		if !ok {
			return 0, false
		}
		topic, err := im.topic(id)
		return topic, err == nil
	})
	for range missing {
		im.report.refuse("", 0, NoInclude, nil)
	}
	return eachMember(open, func(h *tar.Header, r io.Reader) error {
		file, ok := v2flyFile(h)
		if !ok {
			return nil
		}
		if len(ways[file]) == 0 {
			im.unmapped("other services")
		}
		return im.v2flyMember(file, r, ways)
	})
}

func (im *importer) v2flyMember(file string, r io.Reader, ways map[string][]route) error {
	s := im.sink(file)
	return readLines(r, s, func(s *sink, line []byte) {
		e := splitV2fly(line)
		if string(e.kind) == "include" {
			return
		}
		im.topics = im.topics[:0]
		im.addRoutes(e, ways[file])
		for rest := e.marks; len(rest) > 0; {
			var word []byte
			if word, rest = field(rest); word[0] == '&' {
				im.addRoutes(e, ways[string(word[1:])])
			}
		}
		if len(im.topics) > 0 {
			e.take(s)
		}
	})
}

// addRoutes adds the topics that e has a way into.
func (im *importer) addRoutes(e v2flyEntry, ways []route) {
	for _, way := range ways {
		if way.admits(e) {
			im.addTopic(way.topic)
		}
	}
}
