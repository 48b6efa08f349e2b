package blocklists

import (
	"archive/tar"
	"bytes"
	"cmp"
	"compress/flate"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
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
	"time"

	"github.com/treehouse-dns/treehouse/blocklists/catalogue"
	"github.com/treehouse-dns/treehouse/filter"
	"github.com/treehouse-dns/treehouse/store"
)

// A catalogue that takes the place of the built-in one is a folder, or a tar.gz of
// one, in which these are read:
//
//	edition.txt   what it says of itself, see catalogue.AboutFile
//	*.txt         topics with their names, as the built-in one has them
//	data/*        services as v2fly's domain-list-community has them
//	*             without an extension: the same
//
// One that is fetched is signed: beside the archive lies its minisign signature.

// Replacement says where such a catalogue comes from: Path or URL.
type Replacement struct {
	Path string // of a folder or an archive
	URL  string // of an archive; needs a Key
	Key  string // a minisign public key; "" is to take what Path has as it is

	Refresh      time.Duration // how often URL is asked; 0 is a day
	AllowHTTP    bool          // nobody on the way can change what is signed, but they see it
	AllowPrivate bool

	// Seen is a file that remembers the newest edition ever taken, so that an old
	// one is refused although blocklists.db was lost; "" remembers nothing.
	Seen string
	// InUse tells whether a rule of the family is about a topic. One that only the
	// last edition had is kept for it. nil: none is.
	InUse func(topicID string) bool
}

// IsZero tells whether there is none.
func (r Replacement) IsZero() bool { return r.Path == "" && r.URL == "" }

func (r Replacement) from() string { return cmp.Or(r.URL, r.Path) }

// errNotReplaceable is what a build without replacements says to who has one.
var errNotReplaceable = errors.New("this tiny build has the built-in catalogue and takes no other")

// CatalogueID is what results call the catalogue among the sources.
const CatalogueID = "catalogue"

const (
	// maxEdition in bytes packed, and all its texts together. Ours has 53 KB, the
	// whole of v2fly 800; a 64 MB router holds it while it is read.
	maxEdition = 8 << 20
	// signatureSuffix is what minisign appends to a file's name.
	signatureSuffix = ".minisig"
	// v2flyText is the name of the text that v2fly's files become.
	v2flyText = "v2fly.txt"
)

// CatalogueState is what became of the replacement.
type CatalogueState struct {
	catalogue.About        // of the edition that is stored; zero if none is
	From            string // where it came from
	Key             string `json:",omitempty"` // that it was signed with
	Digest          string // SHA-256 of its texts
	Report          Report // of what it added and took away, and of v2fly's lines
	Taken           time.Time
	Checked         time.Time // when UpdateCatalogue looked last
	Result          string    // of that look, a sentence
	Failed          bool      // whether Result is an error

	ETag, LastModified string `json:",omitempty"`
}

// CatalogueState tells of the replacement, the zero state if none was ever taken.
func (l *Library) CatalogueState() (s CatalogueState, err error) {
	err = l.file.View(func(tx *store.Tx) error {
		s, err = getCatalogueState(tx)
		return err
	})
	return s, err
}

func getCatalogueState(tx *store.Tx) (s CatalogueState, err error) {
	value, err := tx.Bucket(catalogueBucket).Get([]byte("state"))
	if value == nil || err != nil {
		return s, err
	}
	err = json.Unmarshal(value, &s)
	return s, err
}

func putCatalogueState(tx *store.Tx, s CatalogueState) error {
	value, err := json.Marshal(s)
	if err != nil {
		return err
	}
	return tx.Bucket(catalogueBucket).Put([]byte("state"), value)
}

// Catalogue is the catalogue that the next Build takes: the last good replacement
// where one is configured, else the built-in one. Where the stored one cannot be
// used the error says why, and the built-in one is given.
func (l *Library) Catalogue() (*catalogue.Edition, error) {
	if !replaceable || l.opt.Replacement.IsZero() {
		return l.opt.Catalogue, nil
	}
	stored, err := l.file.ReadLarge(catalogueTable)
	if stored == nil && err == nil {
		return l.opt.Catalogue, nil
	}
	var e *catalogue.Edition
	if err == nil {
		e, err = decodeEdition(stored, l.opt.Catalogue)
	}
	if err != nil {
		return l.opt.Catalogue, fmt.Errorf("the stored catalogue cannot be used (%w); update it again", err)
	}
	return e, nil
}

func (l *Library) catalogue() *catalogue.Edition {
	e, _ := l.Catalogue() // UpdateCatalogue and show tell of the error
	return e
}

// storedEdition is an edition as blocklists.db keeps it: deflated JSON.
type storedEdition struct {
	About catalogue.About
	Files []catalogue.File
}

func encodeEdition(w io.Writer, e *catalogue.Edition) error {
	pack, err := flate.NewWriter(w, deflateLevel)
	if err == nil {
		err = json.NewEncoder(pack).Encode(storedEdition{e.About, e.Files()})
	}
	if err == nil {
		err = pack.Close()
	}
	return err
}

func decodeEdition(packed []byte, builtIn *catalogue.Edition) (*catalogue.Edition, error) {
	var s storedEdition
	// A text may grow a little as JSON, and what was kept of older ones adds to it.
	plain := io.LimitReader(flate.NewReader(bytes.NewReader(packed)), 3*maxEdition)
	if err := json.NewDecoder(plain).Decode(&s); err != nil {
		return nil, err
	}
	e, err := catalogue.New(s.About, s.Files, builtIn)
	if err == nil {
		err = e.CheckNames()
	}
	return e, err
}

// UpdateCatalogue takes a new edition of the replacement, if there is one and it
// is due; it counts from the next Build on. What is wrong with an edition is the
// result's error, and leaves the last good one; the error is of the library.
func (l *Library) UpdateCatalogue(ctx context.Context, opt UpdateOptions) (UpdateResult, error) {
	result := UpdateResult{ID: CatalogueID, Outcome: NotDue}
	if !replaceable {
		return result, errNotReplaceable
	}
	r := l.opt.Replacement
	state, err := l.CatalogueState()
	if err != nil {
		return result, err
	}
	due := SourceState{Source: Source{Refresh: r.Refresh}, Checked: state.Checked, Failed: state.Failed}
	if r.IsZero() || r.URL != "" && r.URL == state.From && !opt.Force && !opt.Accept && !due.due(l.opt.Now()) {
		return result, nil
	}
	if state.From != r.from() || state.Key != r.Key || opt.Force || opt.Accept {
		state.ETag, state.LastModified = "", "" // what they stand for is not what we have
	}
	taken, err := l.takeCatalogue(ctx, &state)
	switch {
	case err != nil:
		result.Outcome, result.Err = Failed, fmt.Errorf("%w; the catalogue in force stays", err)
	case taken:
		result.Outcome, result.Report = Updated, state.Report
		return result, nil // its state was written with it
	default:
		result.Outcome = Unchanged
	}
	return result, l.file.Update(func(tx *store.Tx) error {
		fresh, err := getCatalogueState(tx)
		if err == nil && fresh.Digest != state.Digest {
			state = fresh // another process has taken one meanwhile
		}
		state.Checked, state.Failed, state.Result = l.opt.Now(), result.Outcome == Failed, string(result.Outcome)
		if result.Err != nil {
			state.Result = result.Err.Error()
		}
		return putCatalogueState(tx, state)
	})
}

// takeCatalogue reads, checks and stores an edition; false if it is the one that
// is stored.
func (l *Library) takeCatalogue(ctx context.Context, state *CatalogueState) (bool, error) {
	r := l.opt.Replacement
	c, err := l.readContent(ctx, state.ETag, state.LastModified)
	if err != nil || c == nil {
		return false, err
	}
	var report Report
	e, err := c.edition(l.opt.Catalogue, &report)
	if err != nil {
		return false, err
	}
	release, err := l.writer(ctx)
	if err != nil {
		return false, err
	}
	defer release()
	last, damaged := l.Catalogue()
	seen := readSeen(r.Seen)
	digest := c.digest()
	isPast := seen.key == r.Key && e.Number < seen.number // one that was kept over a reboot may be
	if digest == state.Digest && r.Key == state.Key && damaged == nil && !last.IsBuiltIn() && !isPast {
		state.From, state.ETag, state.LastModified = r.from(), c.etag, c.lastModified
		return false, seen.raise(r, e.Number, digest)
	}
	if err := seen.admits(r, e, digest, l.opt.Now()); err != nil {
		return false, err
	}
	if e, err = l.keep(e, last); err != nil {
		return false, err
	}
	compareEditions(last, e, &report)
	// Before it is stored: one that is remembered and was not stored is taken the
	// next time, one that is stored and was not remembered could be taken back.
	if err := seen.raise(r, e.Number, digest); err != nil {
		return false, err
	}
	now := l.opt.Now()
	*state = CatalogueState{
		About: e.About, From: r.from(), Key: r.Key, Digest: digest, Report: report, Taken: now, Checked: now,
		Result: string(Updated), ETag: c.etag, LastModified: c.lastModified,
	}
	err = l.file.WriteLarge(catalogueTable, func(w io.Writer) error { return encodeEdition(w, e) },
		func(tx *store.Tx) error { return putCatalogueState(tx, *state) })
	return err == nil, err
}

// keep adds to e the topics that rules or sources name and only the last edition had.
func (l *Library) keep(e, last *catalogue.Edition) (*catalogue.Edition, error) {
	sources, err := l.Sources()
	if err != nil {
		return nil, err
	}
	inUse := func(id string) bool {
		return l.opt.Replacement.InUse != nil && l.opt.Replacement.InUse(id) ||
			slices.ContainsFunc(sources, func(s SourceState) bool { return s.Topic == id || slices.Contains(s.Topics, id) })
	}
	has := map[string]bool{}
	for _, t := range e.Topics() {
		has[t.ID] = true
	}
	var text strings.Builder
	for _, t := range last.Topics() {
		if !has[t.ID] && inUse(t.ID) {
			kept := last.Extract(func(o filter.Topic) bool { return o.ID == t.ID })
			text.WriteString(strings.Replace(kept, "@group "+t.Group+"\n", "", 1)) // it is offered to nobody
		}
	}
	if text.Len() == 0 {
		return e, nil
	}
	return catalogue.New(e.About, append(slices.Clone(e.Files()), catalogue.File{Name: catalogue.KeptFile, Text: text.String()}), l.opt.Catalogue)
}

// compareEditions counts what a new edition changes.
func compareEditions(last, fresh *catalogue.Edition, report *Report) {
	names := func(e *catalogue.Edition) map[string]bool {
		m := map[string]bool{}
		e.Claims(func(c catalogue.Claim) bool { m[fmt.Sprint(c.Topic, " ", c.Mode, string(c.Name))] = true; return true })
		return m
	}
	before, after := names(last), names(fresh)
	report.Entries = len(after)
	for n := range after {
		if !before[n] {
			report.Added++
		}
	}
	for n := range before {
		if !after[n] {
			report.Removed++
		}
	}
}

// ReadEdition reads the replacement as UpdateCatalogue would take it, signature
// and all, and stores nothing. The report tells of v2fly's lines.
func (l *Library) ReadEdition(ctx context.Context) (*catalogue.Edition, Report, error) {
	var report Report
	if !replaceable {
		return nil, report, errNotReplaceable
	}
	c, err := l.readContent(ctx, "", "")
	if err != nil {
		return nil, report, err
	}
	e, err := c.edition(l.opt.Catalogue, &report)
	if err == nil {
		last, _ := l.Catalogue()
		compareEditions(last, e, &report)
		err = readSeen(l.opt.Replacement.Seen).admits(l.opt.Replacement, e, c.digest(), l.opt.Now())
	}
	return e, report, err
}

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

// seen is the newest edition ever taken that was signed with a key.
type seen struct {
	key    string
	number uint64
	digest string
}

// readSeen reads the memory of it. One that cannot be read is none: whoever can
// damage it could as well take it away.
func readSeen(path string) (s seen) {
	if path == "" {
		return s
	}
	text, err := readSmall(path, maxSignature)
	if err == nil {
		fmt.Sscanf(string(text), "%s %d %s", &s.key, &s.number, &s.digest)
	}
	return s
}

// admits refuses an edition that is older than what was seen, or expired. Only
// signed ones are held to it: an unsigned one is its owner's to change as they
// like.
func (s seen) admits(r Replacement, e *catalogue.Edition, digest string, now time.Time) error {
	switch {
	case !e.Expires.IsZero() && !now.Before(e.Expires):
		return fmt.Errorf("%s: it expired on %s", r.from(), e.Expires.AddDate(0, 0, -1).Format(time.DateOnly))
	case r.Key == "":
		return nil
	case r.URL != "" && e.Number == 0:
		return fmt.Errorf("%s: it has no number; a catalogue that is fetched says in %s which edition it is", r.URL, catalogue.AboutFile)
	case s.key != r.Key:
		return nil
	case e.Number < s.number:
		return fmt.Errorf("%s: it is edition %d, and %d was taken already; an older one is refused", r.from(), e.Number, s.number)
	case e.Number == s.number && digest != s.digest:
		return fmt.Errorf("%s: it calls itself edition %d as the one before, and is another; its keeper has to raise the number", r.from(), e.Number)
	}
	return nil
}

// raise remembers an edition.
func (s seen) raise(r Replacement, number uint64, digest string) error {
	now := seen{r.Key, number, digest}
	if r.Seen == "" || r.Key == "" || number == 0 || s == now {
		return nil
	}
	return store.WriteFile(r.Seen, fmt.Appendf(nil, "%s %d %s\n", now.key, now.number, now.digest))
}
