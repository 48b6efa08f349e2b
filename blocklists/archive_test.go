package blocklists

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/treehouse-dns/treehouse/filter"
)

// member is a file of an archive.
type member struct {
	name, content string
	kind          byte // tar.TypeReg if 0
	link          string
}

// archive packs members as tar.gz and gives the file's path.
func archive(t testing.TB, name string, members ...member) string {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	w := tar.NewWriter(z)
	for _, m := range members {
		if m.kind == 0 {
			m.kind = tar.TypeReg
		}
		err := w.WriteHeader(&tar.Header{Name: m.name, Typeflag: m.kind, Linkname: m.link, Size: int64(len(m.content)), Mode: 0o644})
		if err == nil {
			_, err = w.Write([]byte(m.content))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	w.Close()
	z.Close()
	return write(t, name, b.String())
}

func TestUT1(t *testing.T) {
	l := testLibrary(t)
	path := archive(t, "blacklists.tar.gz",
		member{name: "blacklists/", kind: tar.TypeDir},
		member{name: "blacklists/drogue/domains", content: "one.example\n192.0.2.1\ntwo.example\n"},
		member{name: "blacklists/drogue/urls", content: "three.example/page\nfour.example/~x\n"},
		member{name: "blacklists/drogue/usage", content: "this is no list"},
		member{name: "blacklists/gambling/domains", content: "bet.example\n"},
		member{name: "blacklists/astrology/domains", content: "stars.example\n"},
	)
	r := mustImport(t, l, Source{}, path)[0]
	want(t, "source", r.Source, "blacklists")
	want(t, "format", r.Format, UT1)
	want(t, "topics", fmt.Sprint(r.Topics), "map[drugs:2 gambling:1]")
	want(t, "unmapped", fmt.Sprint(r.Unmapped), "map[astrology:1]")
	want(t, "URLs", r.Refused[IsURL], 2)
	want(t, "addresses", r.Refused[IsAddress], 1)
	want(t, "sample", fmt.Sprint(r.Samples[0]), "{drogue/domains 2 an IP address 192.0.2.1}")
	mustBuild(t, l)
	for name, topic := range map[string]string{"one.example": "drugs", "a.bet.example": "gambling", "stars.example": "", "three.example": ""} {
		want(t, name, topicsOf(t, l, name), topic)
	}
	r = mustImport(t, l, Source{ID: "all", Topic: "adult"}, path)[0]
	want(t, "with a topic", fmt.Sprint(r.Topics), "map[adult:4]")
}

// TestHostileArchive: no path of an archive is used for anything but words.
func TestHostileArchive(t *testing.T) {
	l := testLibrary(t)
	outside := write(t, "domains", "secret.example\n")
	path := archive(t, "evil.tar.gz",
		member{name: "../../../../etc/cron.d/domains", content: "a.example\n"},
		member{name: "/etc/passwd", content: "b.example\n"},
		member{name: "gambling/domains", kind: tar.TypeSymlink, link: outside},
		member{name: "gambling/urls", kind: tar.TypeLink, link: outside},
		member{name: "adult/domains", kind: tar.TypeFifo},
		member{name: "gam\x1b[2Jbling/domains", content: "c.example\n"},
		member{name: "drogue/domains", content: "d.example\n"},
	)
	r := mustImport(t, l, Source{}, path)[0]
	want(t, "topics", fmt.Sprint(r.Topics), "map[drugs:1]")
	want(t, "unmapped", fmt.Sprint(r.Unmapped), "map[cron.d:1]")
	left, _ := os.ReadDir(l.opt.Temp)
	for _, e := range left {
		if !strings.HasPrefix(e.Name(), fileName) {
			t.Error("left behind: ", e.Name())
		}
	}
}

func TestV2flyArchive(t *testing.T) {
	l := testLibrary(t)
	path := archive(t, "v2fly.tar.gz",
		member{name: "dlc/LICENSE", content: "MIT"},
		member{name: "dlc/data/category-ads", content: "include:tiktok @ads\ninclude:loop\ninclude:nowhere\n"},
		member{name: "dlc/data/tiktok", content: "tiktok.example # it\nfull:www.tiktok.example\nads.tiktok.example @ads\ninclude:bytedance @-cn\nregexp:.*tok.*\n"},
		member{name: "dlc/data/bytedance", content: "bd.example\nbd-cn.example @cn\ninclude:tiktok\n"},
		member{name: "dlc/data/loop", content: "loop.example\ninclude:loop2\n"},
		member{name: "dlc/data/loop2", content: "loop2.example\ninclude:loop\n"},
		member{name: "dlc/data/other", content: "other.example\nshared.example &tiktok\n"},
		member{name: "dlc/data/../../../tiktok", content: "evil.example\n"},
	)
	r := mustImport(t, l, Source{}, path)[0]
	want(t, "format", r.Format, V2fly)
	want(t, "topics", fmt.Sprint(r.Topics), "map[ads:3 tiktok:5]")
	want(t, "missing includes", r.Refused[NoInclude], 1)
	mustBuild(t, l)
	for name, topics := range map[string]string{
		"a.tiktok.example": "tiktok", "ads.tiktok.example": "ads,tiktok", "bd.example": "tiktok", "bd-cn.example": "",
		"loop2.example": "ads", "other.example": "", "shared.example": "tiktok", "evil.example": "",
	} {
		want(t, name, topicsOf(t, l, name), topics)
	}
	_, err := l.Import(context.Background(), Source{Topic: "adult"}, []string{path})
	if err == nil || !strings.Contains(err.Error(), "without a topic") {
		t.Error(err)
	}
	r = mustImport(t, l, Source{}, write(t, "tiktok", "full:a.example\ninclude:bytedance\n"))[0]
	want(t, "a file by itself", fmt.Sprint(r.Topics, r.Refused[NoInclude]), "map[tiktok:1] 1")
}

// TestBadFiles: each is refused by one sentence that names the file, and nothing
// of the source is changed.
func TestBadFiles(t *testing.T) {
	l := testLibrary(t)
	mustImport(t, l, Source{ID: "x", Topic: "adult"}, write(t, "good", "good.example\n"))
	cut := packed(numbered(0, 5000))
	flipped := bytes.Clone(cut)
	flipped[len(flipped)/2] ^= 0xff
	tarred, _ := os.ReadFile(archive(t, "a", member{name: "gambling/domains", content: numbered(0, 5000)}))
	for what, c := range map[string]struct{ content, want string }{
		"empty":          {"", "it is empty"},
		"blank":          {" \n\n", "it is empty"},
		"HTML":           {"<html>", "web page"},
		"HTML, late":     {"\n\n  <!DOCTYPE html>", "web page"},
		"binary":         {"\x7fELF\x01\x01\x00", "binary"},
		"cut gzip":       {string(cut[:len(cut)/2]), "cut short"},
		"a gzip's head":  {string(cut[:5]), "cut short"},
		"damaged gzip":   {string(flipped), "damaged"},
		"cut tar":        {string(tarred[:len(tarred)-500]), "cut short"},
		"another tar":    {mustRead(t, archive(t, "a", member{name: "readme", content: "x"})), "neither"},
		"xz":             {"\xfd7zXZ\x00", "unpack it"},
		"gzip bomb":      {string(bomb()), "100 times"},
		"prose":          {strings.Repeat("this is not a list\n", 40), "no names"},
		"only com":       {"com\n", "line 1 is a single label"},
		"a 10 MB line":   {strings.Repeat("x", 10<<20), "line 1 is a line over 4096 bytes"},
		"only protected": {"www.news.example\n", "line 1 is a protected name"},
	} {
		path := write(t, "bad.list", c.content)
		_, err := l.Import(context.Background(), Source{ID: "x", Topic: "adult"}, []string{path})
		if err == nil || !strings.Contains(err.Error(), c.want) || !strings.HasPrefix(err.Error(), path+": ") || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v, want %q", what, err, c.want)
		}
	}
	for want, call := range map[string]func() error{
		"name a topic": func() error {
			_, err := l.Import(context.Background(), Source{ID: "x"}, []string{write(t, "a", "a.example\n")})
			return err
		},
		"no such file": func() error {
			_, err := l.Import(context.Background(), Source{ID: "x", Topic: "adult"}, []string{"/nonexistent"})
			return err
		},
		"would both be": func() error {
			_, err := l.Import(context.Background(), Source{Topic: "adult"}, []string{write(t, "a.txt", "a.example\n"), write(t, "a.gz", "a.example\n")})
			return err
		},
		"context canceled": func() error {
			ctx, cancel := context.WithCancel(context.Background())
			cancel()
			_, err := l.Import(ctx, Source{ID: "x", Topic: "adult"}, []string{write(t, "a", "a.example\n")})
			return err
		},
	} {
		if err := call(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
	found, err := l.Find(filter.MustName("good.example"))
	if len(found) != 1 || err != nil {
		t.Error("the good list is gone: ", found, err)
	}
}

func mustRead(t testing.TB, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestSourceID(t *testing.T) {
	for path, id := range map[string]string{
		"/x/ut1/gambling.tar.gz": "gambling", "gambling/domains": "gambling-domains", "a/Adult List.TXT": "adult-list",
		"adblock-light.txt.gz": "adblock-light", "hosts": "hosts", "../hosts": "hosts", strings.Repeat("x", 99): strings.Repeat("x", 64),
	} {
		got := sourceID(path)
		want(t, path, got, id)
		if err := checkID(got); err != nil {
			t.Error(err)
		}
	}
}

// FuzzFile hands in files of any kind, packed and archived ones too: no panic, and
// only names that are names come out. UT1 is fuzzed here, being an archive.
func FuzzFile(f *testing.F) {
	ut1 := mustRead(f, archive(f, "a", member{name: "a/drogue/domains", content: "one.example\n"}, member{name: "a/drogue/urls", content: "x/y"}))
	v2fly := mustRead(f, archive(f, "b", member{name: "x/data/tiktok", content: "a.example\ninclude:b @c\n"}, member{name: "x/data/b", content: "full:b.example @c &tiktok"}))
	for _, packed := range []string{ut1, v2fly} {
		f.Add([]byte(packed))
		z, err := gzip.NewReader(strings.NewReader(packed))
		if err != nil {
			f.Fatal(err)
		}
		plain, _ := io.ReadAll(z)
		f.Add(plain)
	}
	f.Add(packed("a.example\n"))
	f.Add([]byte("0.0.0.0 a.example\n"))
	l := testLibrary(f, func(o *Options) { o.Memory = 1 })
	f.Fuzz(func(t *testing.T, content []byte) {
		for _, topic := range []string{"", "adult"} {
			im := l.newImporter(Source{ID: "x", Topic: topic})
			err := im.file(context.Background(), "x", func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(content)), nil })
			if err != nil && strings.Contains(err.Error(), "\n") {
				t.Fatalf("an error of several lines: %q", err)
			}
			if err := im.sorter.finish(); err != nil {
				t.Fatal(err)
			}
			n, err := countRecords(im.sorter.stream())
			if err != nil || n > im.added {
				t.Fatal(n, im.added, err)
			}
			im.sorter.close()
		}
	})
}
