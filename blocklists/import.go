package blocklists

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"

	"github.com/treehouse-dns/treehouse/blocklists/catalogue"
	"github.com/treehouse-dns/treehouse/filter"
	"github.com/treehouse-dns/treehouse/store"
)

// junkShare is the share of a list's lines that may be no names at all before
// the whole list is refused: a half, from junkLines lines on.
const (
	junkShare = 2
	junkLines = 20
)

// Import reads files into a source and replaces what the source had. Without a
// Source.ID each file is a source of its own, named after it. Names count from
// the next Build on. A file that cannot be imported changes nothing of its source
// and does not keep the others; the reports are of those that were.
func (l *Library) Import(ctx context.Context, source Source, files []string) ([]Report, error) {
	if len(files) == 0 {
		return nil, errors.New("no file was named to import")
	}
	type job struct {
		source Source
		files  []string
	}
	var jobs []job
	if source.ID != "" {
		jobs = []job{{source, files}}
	} else {
		from := map[string]string{}
		for _, path := range files {
			s := source
			s.ID = sourceID(path)
			if other, taken := from[s.ID]; taken {
				return nil, fmt.Errorf("%s and %s would both be the source %q; import them one by one with an id each, or together with one", other, path, s.ID)
			}
			from[s.ID] = path
			jobs = append(jobs, job{s, []string{path}})
		}
	}
	release, err := l.writer(ctx)
	if err != nil {
		return nil, err
	}
	defer release()
	var reports []Report
	var failed []error
	for _, j := range jobs {
		err := l.check(j.source)
		if err == nil {
			var report Report
			if report, err = l.importOne(ctx, j.source, j.files); err == nil {
				reports = append(reports, report)
			}
		}
		if err != nil {
			failed = append(failed, err)
		}
		if ctx.Err() != nil {
			break
		}
	}
	return reports, errors.Join(failed...)
}

// importOne imports files into one source. The caller has the writer's turn.
func (l *Library) importOne(ctx context.Context, source Source, files []string) (Report, error) {
	im := l.newImporter(source)
	defer im.sorter.close()
	for _, path := range files {
		if err := im.file(ctx, path, func() (io.ReadCloser, error) { return os.Open(path) }); err != nil {
			return im.report, fmt.Errorf("%s: %w", path, err)
		}
	}
	state, _, err := l.state(source.ID)
	if err != nil {
		return im.report, err
	}
	if source.URL == "" {
		source.URL, source.Refresh = state.URL, state.Refresh // a fetched list may be imported by hand once
		source.AllowHTTP, source.AllowPrivate = state.AllowHTTP, state.AllowPrivate
	}
	state.Source, state.Held = source, nil
	state.ETag, state.LastModified = "", ""
	if err := l.compare(im); err != nil {
		return im.report, err
	}
	err = l.store(im, &state)
	return state.Report, err
}

// importer is one source on its way in.
type importer struct {
	source    Source
	catalogue *catalogue.Edition
	report    Report
	sorter    *sorter
	protected map[string]struct{} // keys that no list may block
	known     map[string]bool     // the catalogue's topics: whether a list may block in their name
	names     []string            // of the source's topics, by number
	topics    []uint16            // of what is read now
	record    record
	added     int
}

func (l *Library) newImporter(source Source) *importer {
	edition := l.catalogue()
	im := &importer{
		source: source, catalogue: edition,
		report:    Report{Source: source.ID, Format: source.Format},
		sorter:    newSorter(l.opt.Temp, l.opt.Memory/2),
		protected: l.protectedKeys(edition),
		known:     map[string]bool{},
	}
	for _, t := range edition.Topics() {
		im.known[t.ID] = t.Kind == filter.KindCategory || t.Kind == filter.KindService
	}
	return im
}

// protectedKeys are the names that a list may not block: what the catalogue
// protects, lifelines, and the router's own.
func (l *Library) protectedKeys(edition *catalogue.Edition) map[string]struct{} {
	keys := map[string]struct{}{}
	add := func(name filter.Name) { keys[string(appendNameKey(nil, name))] = struct{}{} }
	for _, name := range l.opt.Own {
		add(name)
	}
	edition.Claims(func(c catalogue.Claim) bool {
		if c.Topic == "" || c.Kind == filter.KindLifeline {
			add(c.Name)
		}
		return true
	})
	return keys
}

// topic numbers a topic of the source.
func (im *importer) topic(id string) (uint16, error) {
	if _, ok := im.known[id]; !ok {
		return 0, fmt.Errorf("the catalogue has no topic %q", id)
	}
	if i := slices.Index(im.names, id); i >= 0 {
		return uint16(i), nil
	}
	if len(im.names) == maxTopics {
		return 0, fmt.Errorf("it has more than %d topics", maxTopics)
	}
	im.names = append(im.names, id)
	return uint16(len(im.names) - 1), nil
}

func (im *importer) addTopic(topic uint16) {
	if !slices.Contains(im.topics, topic) {
		im.topics = append(im.topics, topic)
	}
}

// unmapped counts what an archive holds for no topic. It names the first few;
// archives come from strangers.
func (im *importer) unmapped(folder string) {
	const maxNamed = 64
	if im.report.Unmapped == nil {
		im.report.Unmapped = map[string]int{}
	}
	if _, ok := im.report.Unmapped[folder]; !ok && len(im.report.Unmapped) >= maxNamed {
		folder = "others"
	}
	im.report.Unmapped[folder]++
}

// sink is what a parser hands its names to, for the topics set at that time.
func (im *importer) sink(file string) *sink {
	return &sink{report: &im.report, file: file, exact: im.source.Exact, emit: im.emit}
}

// emit takes a clean name into each of the present topics.
func (im *importer) emit(name []byte, mode filter.Mode) (Reason, error) {
	im.record = appendKey(im.record[:0], name)
	if mode != filter.Except && im.isProtected(im.record) {
		return IsProtected, nil
	}
	key := len(im.record)
	for _, topic := range im.topics {
		im.record = appendTail(im.record[:key], mode, topic)
		if err := im.sorter.add(im.record); err != nil {
			return "", err
		}
		im.added++
	}
	return "", nil
}

// isProtected tells whether key is a protected name, or its www, and one of the
// present topics would block it. A name further below is a list's to judge: a
// news site's tracker is not the news, and a tenant of a cloud is not the cloud.
func (im *importer) isProtected(key record) bool {
	if !slices.ContainsFunc(im.topics, func(t uint16) bool { return im.known[im.names[t]] }) {
		return false
	}
	_, itself := im.protected[string(key)]
	_, www := im.protected[string(bytes.TrimSuffix(key, []byte("www\x00")))]
	return itself || www
}

// file imports one file, which open opens as often as it is needed.
func (im *importer) file(ctx context.Context, path string, open func() (io.ReadCloser, error)) error {
	raw, err := open()
	if err != nil {
		return err
	}
	defer raw.Close()
	content, err := unpack(ctx, raw)
	if err != nil {
		return err
	}
	if content.isTar {
		return im.archive(ctx, open)
	}
	return im.text(path, content)
}

// archive imports a tar of one of the two known kinds.
func (im *importer) archive(ctx context.Context, open func() (io.ReadCloser, error)) error {
	members := func() (*tar.Reader, func(), error) {
		raw, err := open()
		if err != nil {
			return nil, nil, err
		}
		content, err := unpack(ctx, raw)
		if err != nil {
			raw.Close()
			return nil, nil, err
		}
		return tar.NewReader(content), func() { raw.Close() }, nil
	}
	format := im.source.Format
	if format == "" {
		errKnown := errors.New("known")
		err := eachMember(members, func(h *tar.Header, _ io.Reader) error {
			if _, _, ok := ut1Member(h); ok {
				format = UT1
				return errKnown
			}
			if _, ok := v2flyFile(h); ok {
				format = V2fly
				return errKnown
			}
			return nil
		})
		if err != nil && err != errKnown {
			return err
		}
	}
	im.report.Format = format
	switch format {
	case UT1:
		return im.ut1Archive(members)
	case V2fly:
		return im.v2flyArchive(members)
	}
	return errors.New(`it is an archive, but neither of UT1 ("category/domains") nor of v2fly ("data/service"); unpack it and import what is in it`)
}

// text imports a file of lines.
func (im *importer) text(path string, content unpacked) error {
	format := im.source.Format
	if format == "" {
		format = detect(content.sample)
	}
	im.report.Format = format
	topic := im.source.Topic
	if topic == "" && format == V2fly {
		topic, _ = im.catalogue.V2fly(sourceID(path))
	}
	if topic == "" {
		return errors.New("it does not say what it is about; name a topic (--topic adult)")
	}
	number, err := im.topic(topic)
	if err != nil {
		return err
	}
	im.topics = append(im.topics[:0], number)
	before, junkBefore := im.added, im.junk()
	if err := readLines(content, im.sink(""), parserFor(format)); err != nil {
		return plainError(err)
	}
	taken, junk := im.added-before, im.junk()-junkBefore
	if junk > junkLines && junk > (taken+junk)/junkShare {
		return fmt.Errorf("%d of its lines are no names in the format %s (%s); is it another format, or no list?", junk, format, im.firstSample())
	}
	if taken == 0 {
		return fmt.Errorf("no name in it could be taken%s", im.firstSample())
	}
	return nil
}

func (im *importer) junk() int {
	return im.report.Refused[NotAName] + im.report.Refused[LongLine] + im.report.Refused[SingleLabel]
}

func (im *importer) firstSample() string {
	if len(im.report.Samples) == 0 {
		return ""
	}
	s := im.report.Samples[0]
	return fmt.Sprintf("; line %d is %s", s.Line, s.Reason)
}

// compare sorts what im has read and counts what it would change.
func (l *Library) compare(im *importer) error {
	if err := im.sorter.finish(); err != nil {
		return err
	}
	old := &cursor{file: l.file, table: namesTable(im.source.ID), in: new(inflater)}
	var err error
	im.report.Added, im.report.Removed, err = difference(old, im.sorter.stream())
	if errors.Is(err, errBlock) {
		err = nil // what is damaged is about to be replaced
	}
	return err
}

// store writes what im has sorted. Until it is all there the old names count.
func (l *Library) store(im *importer, state *SourceState) error {
	im.report.Entries = 0
	return l.file.Replace(namesTable(state.ID), func(put func(key, value []byte) error) error {
		state.Bytes = 0
		byTopic, err := writeTable(im.sorter.stream(), im.names, func(key, value []byte) error {
			state.Bytes += int64(len(key) + len(value))
			return put(key, value)
		})
		im.report.Topics = byTopic
		for _, n := range byTopic {
			im.report.Entries += n
		}
		im.report.Duplicates = im.added - im.report.Entries
		return err
	}, func(tx *store.Tx) error {
		state.Report, state.Topics, state.Imported = im.report, im.names, l.opt.Now()
		if value, err := tx.Bucket(sourcesBucket).Get([]byte(state.ID)); value == nil && err == nil {
			if err := roomForSource(tx.Bucket(sourcesBucket)); err != nil {
				return err
			}
		}
		return putState(tx, *state)
	})
}
