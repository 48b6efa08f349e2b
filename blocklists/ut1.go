package blocklists

import (
	"archive/tar"
	"io"
	"path"
)

// A UT1 archive has a folder for each category and in it
//
//	domains   one name to a line
//	urls      host/path to a line: counted, and never a block of the host
//
// beside files that are no lists. Only the last two parts of a member's path are
// looked at, as words; nothing is ever written under them.

// ut1Member tells the category of a member and which of the two lists it is.
func ut1Member(h *tar.Header) (category, list string, ok bool) {
	dir, list := path.Split(path.Clean(h.Name))
	category = path.Base(dir)
	ok = h.Typeflag == tar.TypeReg && (list == "domains" || list == "urls") && checkID(category) == nil
	return category, list, ok
}

func (im *importer) ut1Archive(open func() (*tar.Reader, func(), error)) error {
	return eachMember(open, func(h *tar.Header, r io.Reader) error {
		category, list, ok := ut1Member(h)
		if !ok {
			return nil
		}
		id := im.source.Topic
		if id == "" {
			if id, ok = im.catalogue.UT1(category); !ok {
				im.unmapped(category)
				return nil
			}
		}
		topic, err := im.topic(id)
		if err != nil {
			return err
		}
		im.topics = append(im.topics[:0], topic)
		s := im.sink(category + "/" + list)
		if list == "urls" {
			return readLines(r, s, func(s *sink, _ []byte) { s.refuse(IsURL) })
		}
		return readLines(r, s, parseDomains)
	})
}
