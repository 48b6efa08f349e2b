package blocklists

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/treehouse-dns/treehouse/blocklists/catalogue"
	"github.com/treehouse-dns/treehouse/filter"
)

// A catalogue as it comes, in a folder or archive or from a URL, until it is an
// edition.

// content is what a replacement is made of, by path within it, sorted.
type content struct {
	from               string
	members            []part
	etag, lastModified string
}

type part struct {
	path string // with slashes
	text string
}

// readContent reads the replacement from wherever it is; nil if it has not
// changed on the server.
func (l *Library) readContent(ctx context.Context, etag, lastModified string) (*content, error) {
	r := l.opt.Replacement
	var key *PublicKey
	if r.Key != "" {
		k, err := ParsePublicKey(r.Key)
		if err != nil {
			return nil, fmt.Errorf("the catalogue's key: %w", err)
		}
		key = &k
	}
	if r.URL != "" {
		if key == nil {
			return nil, errors.New("a catalogue that is fetched has to be signed; give the public key of whoever keeps it")
		}
		return l.fetchContent(ctx, *key, etag, lastModified)
	}
	info, err := os.Stat(r.Path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s: there is no such file or folder; look for a mistake in the path", r.Path)
	}
	if err != nil {
		return nil, err
	}
	if info.IsDir() {
		if key != nil {
			return nil, fmt.Errorf("%s is a folder, which cannot be signed; give the signed archive, or no key", r.Path)
		}
		members, err := readFolder(r.Path)
		return newContent(r.Path, members), err
	}
	packed, err := readSmall(r.Path, maxEdition)
	if err == nil && key != nil {
		var signature []byte
		if signature, err = readSmall(r.Path+signatureSuffix, maxSignature); err == nil {
			err = key.verify(packed, signature)
		}
	}
	if err != nil {
		return nil, named(r.Path, err)
	}
	members, err := readArchive(ctx, packed)
	return newContent(r.Path, members), named(r.Path, err)
}

// named puts where something came from before an error that does not say.
func named(from string, err error) error {
	var onDisk *fs.PathError
	if err == nil || errors.As(err, &onDisk) {
		return err
	}
	return fmt.Errorf("%s: %w", from, err)
}

// fetchContent fetches an archive and its signature.
func (l *Library) fetchContent(ctx context.Context, key PublicKey, etag, lastModified string) (*content, error) {
	r := l.opt.Replacement
	f := fetcher{source: Source{ID: CatalogueID, URL: r.URL, AllowHTTP: r.AllowHTTP, AllowPrivate: r.AllowPrivate}, opt: l.opt, permit: l.permit}
	if err := checkURL(f.source); err != nil {
		return nil, err
	}
	got, err := f.fetch(ctx, etag, lastModified)
	if err != nil || got == nil {
		return nil, named(r.URL, err)
	}
	defer got.close()
	packed, err := got.bytes(maxEdition)
	if err == nil && isHTML(packed) {
		err = errHTML
	}
	if err != nil {
		return nil, named(r.URL, err)
	}
	f.source.URL += signatureSuffix
	sig, err := f.fetch(ctx, "", "")
	if err != nil {
		return nil, fmt.Errorf("its signature %s: %w", f.source.URL, err)
	}
	defer sig.close()
	signature, err := sig.bytes(maxSignature)
	if err == nil {
		err = key.verify(packed, signature)
	}
	var members []part
	if err == nil {
		members, err = readArchive(ctx, packed)
	}
	if err != nil {
		return nil, named(r.URL, err)
	}
	c := newContent(r.URL, members)
	c.etag, c.lastModified = got.etag, got.lastModified
	return c, nil
}

// readSmall reads a file of at most so many bytes.
func readSmall(path string, most int64) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return readAtMost(file, most)
}

func readAtMost(r io.Reader, most int64) ([]byte, error) {
	all, err := io.ReadAll(io.LimitReader(r, most+1))
	if err == nil && int64(len(all)) > most {
		err = fmt.Errorf("it has more than the %d KiB it may have", most>>10)
	}
	return all, err
}

// bytes are the content, which may have so many at most.
func (d *download) bytes(most int64) ([]byte, error) {
	content, err := d.open()
	if err != nil {
		return nil, err
	}
	return readAtMost(content, most)
}

// readFolder reads the files of a folder and of its data/.
func readFolder(dir string) ([]part, error) {
	var members []part
	room := int64(maxEdition)
	for _, sub := range [...]string{".", v2flyFolder} {
		entries, err := os.ReadDir(filepath.Join(dir, sub))
		if errors.Is(err, fs.ErrNotExist) && sub != "." {
			continue
		}
		if err != nil {
			return nil, err
		}
		for _, entry := range entries {
			at := path.Join(sub, entry.Name())
			if !entry.Type().IsRegular() || !isWanted(at) {
				continue
			}
			text, err := readSmall(filepath.Join(dir, sub, entry.Name()), room)
			if err != nil {
				return nil, named(at, err)
			}
			room -= int64(len(text))
			members = append(members, part{at, string(text)})
		}
	}
	return members, nil
}

// readArchive reads the files of an archive. Nothing is ever written under their
// names, and one that would lie outside is the mark of somebody who hopes so.
func readArchive(ctx context.Context, packed []byte) ([]part, error) {
	open := func() (*tar.Reader, func(), error) {
		content, err := unpack(ctx, bytes.NewReader(packed))
		if err != nil {
			return nil, nil, err
		}
		if !content.isTar {
			return nil, nil, errors.New("it is no archive; make one with tar czf")
		}
		return tar.NewReader(content), func() {}, nil
	}
	var members []part
	room := int64(maxEdition)
	err := eachMember(open, func(h *tar.Header, r io.Reader) error {
		if !filepath.IsLocal(h.Name) && path.Clean(h.Name) != "." {
			return fmt.Errorf("it holds %s, which lies outside of it", printable([]byte(h.Name)))
		}
		if h.Typeflag != tar.TypeReg {
			return nil
		}
		text, err := readAtMost(r, room)
		if err != nil {
			return err
		}
		room -= int64(len(text))
		members = append(members, part{path.Clean(h.Name), string(text)})
		return nil
	})
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(withoutTop(members), func(m part) bool { return !isWanted(m.path) }), nil
}

// withoutTop takes the one folder off that an archive may have put around all.
func withoutTop(members []part) []part {
	top := ""
	for i, m := range members {
		first, _, deeper := strings.Cut(m.path, "/")
		if !deeper || first == v2flyFolder || i > 0 && first != top {
			return members
		}
		top = first
	}
	for i := range members {
		members[i].path = strings.TrimPrefix(members[i].path, top+"/")
	}
	return members
}

// v2flyFolder is where v2fly keeps its files.
const v2flyFolder = "data"

// isWanted tells whether a member is part of a catalogue, by its path.
func isWanted(at string) bool {
	dir, name := path.Split(at)
	switch dir {
	case "":
		return path.Ext(name) == ".txt" || isV2flyName(name)
	case v2flyFolder + "/":
		return isV2flyName(name)
	}
	return false
}

// isV2flyName tells whether a file can be one of v2fly's: "tiktok", "geolocation-!cn".
func isV2flyName(name string) bool {
	return !strings.Contains(name, ".") && checkID(strings.ReplaceAll(name, "!", "-")) == nil
}

func newContent(from string, members []part) *content {
	byPath := make(map[string]string, len(members)) // the last, where an archive has one twice
	for _, m := range members {
		byPath[m.path] = m.text
	}
	c := &content{from: from}
	for _, path := range slices.Sorted(maps.Keys(byPath)) {
		c.members = append(c.members, part{path, byPath[path]})
	}
	return c
}

// digest tells one content from another.
func (c *content) digest() string {
	h := sha256.New()
	for _, m := range c.members {
		fmt.Fprintf(h, "%d %s %d\n%s", len(m.path), m.path, len(m.text), m.text)
	}
	return hex.EncodeToString(h.Sum(nil))
}

// edition makes a checked edition of the content.
func (c *content) edition(builtIn *catalogue.Edition, report *Report) (*catalogue.Edition, error) {
	var about catalogue.About
	var texts []catalogue.File
	var v2fly []part
	var err error
	for _, m := range c.members {
		switch {
		case m.path == catalogue.AboutFile:
			about, err = catalogue.ParseAbout(m.text)
		case m.path == catalogue.KeptFile || m.path == v2flyText:
			err = fmt.Errorf("a catalogue has no %s of its own; give the file another name", m.path)
		case path.Ext(m.path) == ".txt":
			texts = append(texts, catalogue.File{Name: m.path, Text: m.text})
		default:
			v2fly = append(v2fly, m)
		}
		if err != nil {
			return nil, named(c.from, err)
		}
	}
	if len(texts) == 0 && len(v2fly) == 0 {
		return nil, fmt.Errorf("%s: there is no catalogue in it: neither a .txt nor v2fly's data/", c.from)
	}
	if about.Title == "" {
		about.Title = printable([]byte(strings.TrimSuffix(path.Base(filepath.ToSlash(c.from)), ".tar.gz")))
	}
	report.Source = CatalogueID
	e, err := catalogue.New(about, texts, builtIn)
	if err == nil && len(v2fly) > 0 {
		var text string
		if err = e.CheckNames(); err == nil {
			text, err = v2flyServices(e, builtIn, v2fly, report)
		}
		if err == nil {
			e, err = catalogue.New(e.About, append(texts, catalogue.File{Name: v2flyText, Text: text}), builtIn)
		}
	}
	if err == nil {
		err = e.Check(whyNot)
	}
	return e, named(c.from, err)
}

// whyNot says why a name has no place in a catalogue.
func whyNot(name filter.Name) string {
	_, reason := cleanName(nil, []byte(name.String()))
	return string(reason)
}
