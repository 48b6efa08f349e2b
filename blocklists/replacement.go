package blocklists

import (
	"bytes"
	"cmp"
	"compress/flate"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
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
