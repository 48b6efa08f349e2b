package blocklists

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/treehouse-dns/treehouse/blocklists/catalogue"
	"github.com/treehouse-dns/treehouse/filter"
)

// TestMain keeps the tests' files in memory where that is to be had: they make
// thousands of commits, and it is store's tests that prove a commit lasts.
func TestMain(m *testing.M) {
	const room = 512 << 20 // bytes; a container has as little as 64 MiB there
	var disk syscall.Statfs_t
	if syscall.Statfs("/dev/shm", &disk) == nil && disk.Bavail*uint64(disk.Bsize) > room && os.Getenv("TMPDIR") == "" {
		os.Setenv("TMPDIR", "/dev/shm")
	}
	os.Exit(m.Run())
}

// testCatalogue is a small catalogue to build on.
func testCatalogue() *catalogue.Edition {
	e, err := catalogue.New(catalogue.About{Title: "test"}, []catalogue.File{{Name: "test.txt", Text: `
@kind category
adult = Adult
  core-adult.example
gambling = Gambling
ads = Ads
drugs = Drugs
  ut1: drogue
@kind service
@group social
tiktok = TikTok
  tiktok.com
@kind lifeline
helplines = Helplines
  childline.example
@kind listed
kids = Kids
@kind protected
news = News
  news.example
@kind category
`}, {Name: "facts.txt", Text: "adult\n  ut1: adult\ngambling\n  ut1: gambling\nads\n  v2fly: category-ads\n"}}, nil)
	if err != nil {
		panic(err)
	}
	return e
}

// testNow is when tests take place.
var testNow = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

func testLibrary(t testing.TB, change ...func(*Options)) *Library {
	t.Helper()
	opt := Options{Catalogue: testCatalogue(), Now: func() time.Time { return testNow }}
	for _, f := range change {
		f(&opt)
	}
	l, err := Open(filepath.Join(t.TempDir(), "lists"), opt)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// write puts a list into a file and gives its path.
func write(t testing.TB, name, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func mustImport(t testing.TB, l *Library, s Source, files ...string) []Report {
	t.Helper()
	reports, err := l.Import(context.Background(), s, files)
	if err != nil {
		t.Fatal(err)
	}
	return reports
}

func mustBuild(t testing.TB, l *Library) Build {
	t.Helper()
	b, err := l.Build(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// topicsOf says what the snapshot knows of a name: topic IDs with commas between.
func topicsOf(t testing.TB, l *Library, name string) string {
	t.Helper()
	trie, err := l.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	var ids []string
	for _, id := range trie.Set(trie.Lookup(filter.MustName(name)).Set) {
		ids = append(ids, trie.Topic(id).ID)
	}
	return strings.Join(ids, ",")
}

func want[T comparable](t testing.TB, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Errorf("%s: got %v, want %v", what, got, want)
	}
}

func TestImportBuildSnapshot(t *testing.T) {
	l := testLibrary(t)
	want(t, "before any build", topicsOf(t, l, "www.core-adult.example"), "adult")
	path := write(t, "my-adult.txt", "# mine\n0.0.0.0 one.example\n0.0.0.0 two.example\n0.0.0.0 www.news.example\n0.0.0.0 com\n0.0.0.0 one.example\n")
	reports := mustImport(t, l, Source{Topic: "adult"}, path)
	r := reports[0]
	want(t, "source", r.Source, "my-adult")
	want(t, "format", r.Format, Hosts)
	want(t, "entries", r.Entries, 2)
	want(t, "duplicates", r.Duplicates, 1)
	want(t, "protected", r.Refused[IsProtected], 1)
	want(t, "single label", r.Refused[SingleLabel], 1)
	want(t, "added", r.Added, 2)
	want(t, "before the build", topicsOf(t, l, "a.one.example"), "")
	b := mustBuild(t, l)
	want(t, "sources", b.Sources, 1)
	want(t, "after the build", topicsOf(t, l, "a.one.example"), "adult")
	want(t, "protected", topicsOf(t, l, "news.example"), "")
	want(t, "tiktok", topicsOf(t, l, "www.tiktok.com"), "tiktok")

	os.WriteFile(path, []byte("0.0.0.0 two.example\n0.0.0.0 three.example\n"), 0o600)
	r = mustImport(t, l, Source{Topic: "adult"}, path)[0]
	want(t, "added", r.Added, 1)
	want(t, "removed", r.Removed, 1)
	mustBuild(t, l)
	want(t, "replaced", topicsOf(t, l, "one.example"), "")
	want(t, "kept", topicsOf(t, l, "two.example"), "adult")

	sources, err := l.Sources()
	if err != nil || len(sources) != 1 {
		t.Fatal(sources, err)
	}
	want(t, "imported", sources[0].Imported, testNow)
	found, err := l.Find(filter.MustName("www.three.example"))
	if err != nil || len(found) != 1 {
		t.Fatal(found, err)
	}
	want(t, "found", found[0].Name.String(), "three.example.")
	want(t, "found in", found[0].Source, "my-adult")
}
