//go:build !tiny

package blocklists

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/treehouse-dns/treehouse/blocklists/catalogue"
	"github.com/treehouse-dns/treehouse/filter"
)

// folder writes files, by their paths, and gives their folder.
func folder(t testing.TB, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		at := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(at), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(at, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// packedFiles is a tar.gz of files.
func packedFiles(t testing.TB, files map[string]string) []byte {
	t.Helper()
	var members []member
	for name, text := range files {
		members = append(members, member{name: name, content: text})
	}
	content, err := os.ReadFile(archive(t, "catalogue.tar.gz", members...))
	if err != nil {
		t.Fatal(err)
	}
	return content
}

// replaced is a library with the real catalogue and a replacement.
func replaced(t testing.TB, r Replacement) *Library {
	t.Helper()
	if r.Seen == "" {
		r.Seen = filepath.Join(t.TempDir(), "catalogue.seen")
	}
	return testLibrary(t, func(o *Options) { o.Catalogue, o.Replacement = catalogue.BuiltIn(), r })
}

func takeCatalogue(t testing.TB, l *Library) UpdateResult {
	t.Helper()
	r, err := l.UpdateCatalogue(context.Background(), UpdateOptions{Force: true})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// small is a catalogue of one group.
const small = `@kind service
@group social
chirp = Chirp
  chirp.example.org
tiktok = Tik Tok Renamed
  tiktok.com newtok.example.org
`

func TestReplaceFromFolder(t *testing.T) {
	dir := folder(t, map[string]string{"services.txt": small, "README": "not read", "notes.md": "nor this"})
	l := replaced(t, Replacement{Path: dir, InUse: func(id string) bool { return id == "chirp" }})
	want(t, "before", topicsOf(t, l, "facebook.com"), "facebook")
	r := takeCatalogue(t, l)
	want(t, "outcome", r.Outcome, Updated)
	mustBuild(t, l)
	for name, topics := range map[string]string{
		"chirp.example.org": "chirp", "newtok.example.org": "tiktok",
		"musical.ly":        "",         // names are replaced whole
		"facebook.com":      "facebook", // gone, and a rule about it holds
		"tinder.com":        "tinder",   // its whole group is not theirs
		"www.adult.example": "adult", "childline.org.uk": "helplines",
	} {
		want(t, name, topicsOf(t, l, name), topics)
	}
	groups := map[string]string{}
	for _, topic := range l.catalogue().Topics() {
		groups[topic.ID] = topic.Group
	}
	want(t, "a group of theirs", groups["chirp"], "social")
	want(t, "a group they have replaced", groups["facebook"], "")
	want(t, "a group they do not have", groups["tinder"], "dating")
	want(t, "once more", takeCatalogue(t, l).Outcome, Unchanged)

	origins, err := l.Find(filter.MustName("www.chirp.example.org"))
	if err != nil || len(origins) != 1 || origins[0].Said != filepath.Base(dir) {
		t.Error("who says so: ", origins, err)
	}

	// What a rule names and only the last edition had is kept.
	if err := os.WriteFile(filepath.Join(dir, "services.txt"), []byte(strings.ReplaceAll(small, "chirp", "tweet")), 0o600); err != nil {
		t.Fatal(err)
	}
	want(t, "the next", takeCatalogue(t, l).Outcome, Updated)
	mustBuild(t, l)
	want(t, "the new one", topicsOf(t, l, "tweet.example.org"), "tweet")
	want(t, "the kept one", topicsOf(t, l, "chirp.example.org"), "chirp")
	want(t, "and for good", takeCatalogue(t, l).Outcome, Unchanged)

	// What is stored goes on without the folder, and without a configuration the
	// built-in one is back.
	os.RemoveAll(dir)
	want(t, "without its folder", takeCatalogue(t, l).Outcome, Failed)
	want(t, "it stays", l.catalogue().Title, filepath.Base(dir))
	l.opt.Replacement = Replacement{}
	mustBuild(t, l)
	want(t, "built-in again", topicsOf(t, l, "chirp.example.org"), "")
}

// TestProtectedStays: no edition takes away what protects a child.
func TestProtectedStays(t *testing.T) {
	l := replaced(t, Replacement{Path: folder(t, map[string]string{"all.txt": small + `
@kind category
adult = Adult
  adult-site.example.org
@kind lifeline
helplines = Help
  help.example.org
@kind protected
news = News
  paper.example.org
`})})
	want(t, "outcome", takeCatalogue(t, l).Outcome, Updated)
	mustBuild(t, l)
	e := l.catalogue()
	lifeline, protected := map[string]bool{}, map[string]bool{}
	e.Claims(func(c catalogue.Claim) bool {
		if c.Topic == "" {
			protected[c.Name.String()] = true
		} else if c.Kind == filter.KindLifeline {
			lifeline[c.Name.String()] = true
		}
		return true
	})
	catalogue.BuiltIn().Claims(func(c catalogue.Claim) bool {
		if name := c.Name.String(); c.Topic == "" && !protected[name] || c.Topic != "" && c.Kind == filter.KindLifeline && !lifeline[name] {
			t.Error(name, " has lost its protection")
		}
		return true
	})
	if !lifeline["help.example.org."] || !protected["paper.example.org."] {
		t.Error("what they add does not count")
	}
	want(t, "their category", topicsOf(t, l, "adult-site.example.org"), "adult")
	want(t, "ours is replaced", topicsOf(t, l, "www.adult.example"), "")
}

// TestBadEditions: each is refused with the file and the line, and changes nothing.
func TestBadEditions(t *testing.T) {
	service := "@kind service\n@group g\n"
	for text, wants := range map[string]string{
		"tiktok = TikTok\n":                                                         "bad.txt line 1: a topic needs @kind",
		"@kind sealed\n":                                                            "bad.txt line 1: unknown kind",
		"@kind service\nnew = New\n":                                                "bad.txt line 2: the service new needs a @group",
		service + "a = A\n  a.example\na = A\n":                                     "bad.txt line 5: the topic a stands twice",
		service + "a = A\n  a.example a.example\n":                                  "bad.txt line 4: a.example stands twice",
		service + "a = A\n  co.uk\n":                                                "bad.txt line 4: co.uk is a public suffix",
		service + "a = A\n  192.0.2.1\n":                                            "bad.txt line 4: 192.0.2.1 is an IP address",
		service + "a = A\n  com\n":                                                  "bad.txt line 4: com is a single label",
		service + "a = A\n  b..c\n":                                                 "bad.txt line 4: \"b..c\" is not a name",
		service + "a = A\n  !\n":                                                    "bad.txt line 4: \"!\" is not a name",
		service + "a = A\x1b[31m\n":                                                 "bad.txt line 3: a title",
		service + "A_B = A\n":                                                       "bad.txt line 3: the ID",
		service + "adult = Adult\n":                                                 "bad.txt line 3: adult is a category in the built-in",
		service + "a = A\n  a.example.org\nb = B\n  b.a.example.org\n":              "bad.txt line 6: b.a.example.org of b would stop with a, which has a.example.org (bad.txt line 4)",
		service + "a = A\n  a.example.org\nb = B\n  =a.example.org\n":               "would stop with",
		service + "a = A\n  t.example.org tinder.com\n":                             "tinder.com",
		service + "a = A\n  colour: red\n":                                          "bad.txt line 4: there is no fact",
		"@kind lifeline\nhelplines = H\n  !childline.org.uk\n":                      "bad.txt line 3: nothing can be taken out",
		"@kind protected\nnews = N\n  !bbc.co.uk\n":                                 "bad.txt line 3: nothing can be taken out",
		"@kind category\nadult = Adult\n  www.childline.org.uk\n":                   "may not be in the category adult",
		"@kind category\nadult = Adult\n  wikipedia.org\n":                          "bad.txt line 3: wikipedia.org may not be in the category",
		"@kind safe search\ngoogle = G\n  target: x.example.org\n  g.example.org\n": "bad.txt line 4: g.example.org must be exact",
		"@kind safe search\ngoogle = G\n  =g.example.org\n":                         "bad.txt line 2: google needs a target",
		"@kind category\n@group g\nx = X\n":                                         "bad.txt line 3: only services have a group",
	} {
		l := replaced(t, Replacement{Path: folder(t, map[string]string{"bad.txt": text})})
		r := takeCatalogue(t, l)
		if r.Outcome != Failed || !strings.Contains(r.Err.Error(), wants) || !strings.Contains(r.Err.Error(), "stays") {
			t.Errorf("%q: %s %v, want %q", text, r.Outcome, r.Err, wants)
		}
		if !l.catalogue().IsBuiltIn() {
			t.Errorf("%q is in force", text)
		}
	}
	for about, wants := range map[string]string{
		"number: 0\n": "edition.txt line 1", "\nexpires: soon\n": "edition.txt line 2", "colour: red": "there is no key", "services: none": "all or some", "title:": "a title",
		"expires: 2026-11-22": "expired on 2026-11-22",
	} {
		r := takeCatalogue(t, replaced(t, Replacement{Path: folder(t, map[string]string{"s.txt": small, "edition.txt": about})}))
		if r.Outcome != Failed || !strings.Contains(r.Err.Error(), wants) {
			t.Errorf("%q: %v", about, r.Err)
		}
	}
}

// catalogueServer serves a signed catalogue.
type catalogueServer struct {
	*listServer
	files map[string][]byte
}

func newCatalogueServer(t testing.TB) *catalogueServer {
	s := &catalogueServer{listServer: newListServer(t), files: map[string][]byte{}}
	s.serve = func(w http.ResponseWriter, r *http.Request) {
		content, ok := s.files[r.URL.Path]
		if !ok {
			http.NotFound(w, r)
			return
		}
		tag := fmt.Sprintf(`"%x"`, len(content))
		w.Header().Set("ETag", tag)
		if r.Header.Get("If-None-Match") == tag {
			w.WriteHeader(http.StatusNotModified)
			return
		}
		w.Write(content)
	}
	return s
}

// offer puts an archive and its signature in place.
func (s *catalogueServer) offer(packed []byte, by signer) {
	s.files["/c.tar.gz"], s.files["/c.tar.gz.minisig"] = packed, by.sign(packed, "")
}

func edition(number int, extra string) map[string]string {
	return map[string]string{"c/services.txt": small + extra, "c/edition.txt": fmt.Sprintf("title: Example Telecom\nnumber: %d\nexpires: 2027-01-31\n", number)}
}

func TestReplaceFromURL(t *testing.T) {
	s, key := newCatalogueServer(t), newSigner("provider")
	r := Replacement{URL: s.URL + "/c.tar.gz", Key: key.public, AllowHTTP: true, AllowPrivate: true, Seen: filepath.Join(t.TempDir(), "seen")}
	l := replaced(t, r)
	now := testNow
	l.opt.Now = func() time.Time { return now }

	s.offer(packedFiles(t, edition(7, "")), key)
	want(t, "first", takeCatalogue(t, l).Outcome, Updated)
	want(t, "edition", l.catalogue().String(), "Example Telecom 7")
	mustBuild(t, l)
	want(t, "a name", topicsOf(t, l, "chirp.example.org"), "chirp")
	last, err := l.LastBuild()
	want(t, "what was built", fmt.Sprint(last.Catalogue, err), "Example Telecom 7 <nil>")
	result, err := l.UpdateCatalogue(context.Background(), UpdateOptions{})
	want(t, "at once again", fmt.Sprintln(result.Outcome, err), "not due <nil>\n")
	now = now.Add(25 * time.Hour)
	asked := s.asked
	result, err = l.UpdateCatalogue(context.Background(), UpdateOptions{})
	want(t, "a day later", fmt.Sprintln(result.Outcome, err, s.asked-asked), "unchanged <nil> 1\n") // not modified: no signature is asked for

	eight := packedFiles(t, edition(8, "eight = Eight\n  eight.example.org\n"))
	bomb := func() []byte {
		var b bytes.Buffer
		z := gzip.NewWriter(&b)
		w := tar.NewWriter(z)
		w.WriteHeader(&tar.Header{Name: "services.txt", Typeflag: tar.TypeReg, Size: 64 << 20, Mode: 0o600})
		for range 64 {
			w.Write(make([]byte, 1<<20))
		}
		w.Close()
		z.Close()
		return b.Bytes()
	}()
	for what, c := range map[string]struct {
		prepare func()
		want    string
	}{
		"another key":          {func() { s.offer(eight, newSigner("somebody")) }, "it is signed with the key"},
		"no signature":         {func() { s.offer(eight, key); delete(s.files, "/c.tar.gz.minisig") }, "its signature"},
		"a page for signature": {func() { s.offer(eight, key); s.files["/c.tar.gz.minisig"] = []byte("<html>") }, "is not one of minisign"},
		"tampered":             {func() { s.offer(eight, key); s.files["/c.tar.gz"] = append(bytes.Clone(eight), 0) }, "not of this file"},
		"older":                {func() { s.offer(packedFiles(t, edition(6, "")), key) }, "edition 6, and 7 was taken"},
		"the same number":      {func() { s.offer(packedFiles(t, edition(7, "seven = Seven\n  seven.example.org\n")), key) }, "calls itself edition 7"},
		"no number":            {func() { s.offer(packedFiles(t, map[string]string{"services.txt": small}), key) }, "it has no number"},
		"expired": {func() {
			s.offer(packedFiles(t, map[string]string{"s.txt": small, "edition.txt": "number: 9\nexpires: 2026-11-01\n"}), key)
		}, "it expired on 2026-11-01"},
		"cut short":   {func() { s.offer(eight[:len(eight)/2], key) }, "cut short"},
		"a bomb":      {func() { s.offer(bomb, key) }, "more than 100 times"},
		"a web page":  {func() { s.offer([]byte("<!doctype html>"), key) }, "web page"},
		"no archive":  {func() { s.offer([]byte(small), key) }, "it is no archive"},
		"nothing":     {func() { s.offer(packedFiles(t, map[string]string{"a/README": "x"}), key) }, "no catalogue in it"},
		"out of it":   {func() { s.offer(packedFiles(t, map[string]string{"../services.txt": small}), key) }, "lies outside"},
		"from a root": {func() { s.offer(packedFiles(t, map[string]string{"/etc/services.txt": small}), key) }, "lies outside"},
		"not there":   {func() { clear(s.files) }, "404"},
	} {
		c.prepare()
		r := takeCatalogue(t, l)
		if r.Outcome != Failed || !strings.Contains(r.Err.Error(), c.want) || !strings.Contains(r.Err.Error(), "stays") {
			t.Errorf("%s: %s, %v; want %q", what, r.Outcome, r.Err, c.want)
		}
		want(t, what, l.catalogue().String(), "Example Telecom 7")
	}
	s.offer(eight, key)
	want(t, "eight", takeCatalogue(t, l).Outcome, Updated)

	// The lists are lost, and with them the edition: an old one is still refused.
	fresh := replaced(t, r)
	s.offer(packedFiles(t, edition(7, "")), key)
	if r := takeCatalogue(t, fresh); r.Outcome != Failed || !strings.Contains(r.Err.Error(), "8 was taken") {
		t.Error("an old one after a loss: ", r.Outcome, r.Err)
	}
	s.offer(eight, key)
	want(t, "the same one after a loss", takeCatalogue(t, fresh).Outcome, Updated)

	// Another keeper counts anew.
	other := newSigner("another provider")
	fresh.opt.Replacement.Key = other.public
	s.offer(packedFiles(t, edition(1, "")), other)
	want(t, "another keeper", takeCatalogue(t, fresh).Outcome, Updated)

	// What is stored is damaged: the built-in one filters, and the next is taken.
	if err := fresh.file.WriteLarge(catalogueTable, func(w io.Writer) error { _, err := w.Write([]byte("no")); return err }, nil); err != nil {
		t.Fatal(err)
	}
	e, err := fresh.Catalogue()
	if !e.IsBuiltIn() || err == nil {
		t.Error("damaged: ", e, err)
	}
	want(t, "after damage", takeCatalogue(t, fresh).Outcome, Updated)
	want(t, "after damage", fresh.catalogue().String(), "Example Telecom 1")

	// Never unsigned, never from the home unless that is said.
	fresh.opt.Replacement.AllowPrivate = false
	if r := takeCatalogue(t, fresh); r.Outcome != Failed || !strings.Contains(r.Err.Error(), "not on the internet") {
		t.Error("from the home: ", r.Err)
	}
	fresh.opt.Replacement.Key = ""
	if r := takeCatalogue(t, fresh); r.Outcome != Failed || !strings.Contains(r.Err.Error(), "has to be signed") {
		t.Error("unsigned: ", r.Err)
	}
}

func TestReplaceFromSignedArchive(t *testing.T) {
	key := newSigner("provider")
	dir := t.TempDir()
	at := filepath.Join(dir, "c.tar.gz")
	put := func(number int) {
		packed := packedFiles(t, edition(number, ""))
		if os.WriteFile(at, packed, 0o600) != nil || os.WriteFile(at+signatureSuffix, key.sign(packed, ""), 0o600) != nil {
			t.Fatal("cannot write")
		}
	}
	l := replaced(t, Replacement{Path: at, Key: key.public})
	put(3)
	want(t, "signed", takeCatalogue(t, l).Outcome, Updated)
	put(2)
	want(t, "older", takeCatalogue(t, l).Outcome, Failed)
	l.opt.Replacement.Key = "" // its owner may go back
	want(t, "older without a key", takeCatalogue(t, l).Outcome, Updated)
	l.opt.Replacement = Replacement{Path: dir, Key: key.public}
	if r := takeCatalogue(t, l); r.Outcome != Failed || !strings.Contains(r.Err.Error(), "folder, which cannot be signed") {
		t.Error(r.Err)
	}
}

func TestReplaceFromV2fly(t *testing.T) {
	l := replaced(t, Replacement{Path: folder(t, map[string]string{
		"LICENSE":              "MIT",
		"data/tiktok":          "tok.example.org # new\nfull:one.tok2.example.org\nregexp:^tok[0-9]+\nkeyword:tok\ninclude:tok-cdn @-cn\nfacebook.com\nads.tok.example.org @ads\n",
		"data/tok-cdn":         "cdn.tok3.example.org\ncn.tok3.example.org @cn\n",
		"data/newgame":         "newgame.example.org\nshared.example.org\ntok.example.org\n",
		"data/othergame":       "othergame.example.org\nshared.example.org\nlogin.newgame.example.org\nx.newgame.example.org\n",
		"data/google":          "google.com\nyoutube.com\n",
		"data/category-games":  "include:newgame\ncollected.example.org\n",
		"data/geolocation-!cn": "include:tiktok\n",
		"data/category-porn":   "porn.example.org\n",
		"data/snap":            "newsnap.example.org\n",
	})})
	r := takeCatalogue(t, l)
	want(t, "outcome", fmt.Sprintln(r.Outcome, r.Err), "updated <nil>\n")
	want(t, "patterns", r.Report.Refused[IsPattern], 2)
	want(t, "categories", r.Report.Refused[IsCategory], 1)
	mustBuild(t, l)
	for name, topics := range map[string]string{
		"a.one.tok2.example.org": "", "one.tok2.example.org": "tiktok", "cdn.tok3.example.org": "tiktok", "cn.tok3.example.org": "",
		"tok.example.org":     "", // of two files, so of neither
		"ads.tok.example.org": "tiktok", "musical.ly": "tiktok", "facebook.com": "facebook",
		"newgame.example.org": "newgame", "shared.example.org": "", "login.newgame.example.org": "othergame", "a.login.newgame.example.org": "othergame",
		"google.com": "", "collected.example.org": "", "porn.example.org": "", "newsnap.example.org": "snapchat",
	} {
		want(t, name, topicsOf(t, l, name), topics)
	}
	topics := map[string]filter.Topic{}
	for _, topic := range l.catalogue().Topics() {
		topics[topic.ID] = topic
	}
	want(t, "what is known", topics["tiktok"].Title+" "+topics["tiktok"].Group, "TikTok social")
	want(t, "what is new", topics["newgame"].Title+" "+topics["newgame"].Group, "newgame other")
	want(t, "beside the built-in ones", topics["facebook"].Group, "social")

	// A text gives groups and titles, and files of other names.
	l = replaced(t, Replacement{Path: folder(t, map[string]string{
		"groups.txt":  "@kind service\n@group gaming\nnewgame = The New Game\n  curated.example.org\nfine = Fine\n  v2fly: othergame\n",
		"edition.txt": "services: some\n",
		"newgame":     "newgame.example.org\n",
		"othergame":   "othergame.example.org\nunder.curated.example.org\n",
	})})
	want(t, "with a text", fmt.Sprint(takeCatalogue(t, l).Outcome), "updated")
	mustBuild(t, l)
	for name, topics := range map[string]string{
		"newgame.example.org": "newgame", "curated.example.org": "newgame", "othergame.example.org": "fine", "under.curated.example.org": "newgame", "minecraft.net": "minecraft",
	} {
		want(t, name, topicsOf(t, l, name), topics)
	}
}

// TestRealV2fly takes the whole of v2fly's published files as services; Check
// holds that they keep apart.
func TestRealV2fly(t *testing.T) {
	l := replaced(t, Replacement{Path: filepath.Join(shared(t), "lists", "v2fly-domain-list-community.tar.gz")})
	r := takeCatalogue(t, l)
	want(t, "outcome", fmt.Sprintln(r.Outcome, r.Err), "updated <nil>\n")
	offered := 0
	for _, topic := range l.catalogue().Topics() {
		if topic.Kind == filter.KindService && topic.Group != "" {
			offered++
		}
	}
	if offered < 1000 || r.Report.Entries < 15000 {
		t.Errorf("%d services with %d names", offered, r.Report.Entries)
	}
	mustBuild(t, l)
	want(t, "tiktok", topicsOf(t, l, "www.tiktok.com"), "tiktok")
}

// FuzzV2flyServices holds that whatever v2fly's files say, the services they
// become keep apart and are sound.
func FuzzV2flyServices(f *testing.F) {
	f.Add("tok.example.org\ninclude:b\nfull:x.tok.example.org\n", "x.tok.example.org\nfacebook.com\n", "instagram.com\ny.x.tok.example.org\n")
	f.Add("a.example.org @ads\ninclude:tiktok @ads\n", "include:a\n&b", "b.example.org &a\na.example.org")
	f.Add("com\nt.co\nx.com\n", "regexp:.*\nkeyword:x", "domain:x.com\nfull:x.com\n=\n!")
	f.Add("fbcdn.net\nexample.org\n", "www.example.org\nfull:example.org", "api.www.example.org\ngoogle.com")
	builtIn, err := catalogue.New(catalogue.About{Title: "small"}, []catalogue.File{{Name: "s.txt", Text: `@kind service
@group social
tiktok = TikTok
  tiktok.com !cdn.example.org
facebook = Facebook
  facebook.com !fbcdn.net !tok.facebook.com
tok = Tok
  tok.facebook.com =example.net
  not-v2fly: google
`}}, nil)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, tiktok, a, b string) {
		c := newContent("fuzz", []part{{"data/tiktok", tiktok}, {"data/a", a}, {"data/b", b}})
		if _, err := c.edition(builtIn, new(Report)); err != nil {
			t.Error(err)
		}
	})
}

// TestSeenIsNeverLowered: after a reboot the copy that was kept may hold an older
// edition than the newest ever taken. It filters; but a server that offers it again
// neither counts as up to date nor makes the memory of the newer one go.
func TestSeenIsNeverLowered(t *testing.T) {
	s, key := newCatalogueServer(t), newSigner("provider")
	r := Replacement{URL: s.URL + "/c.tar.gz", Key: key.public, AllowHTTP: true, AllowPrivate: true, Seen: filepath.Join(t.TempDir(), "seen")}
	old, other := replaced(t, r), replaced(t, r)
	s.offer(packedFiles(t, edition(7, "")), key)
	want(t, "seven", takeCatalogue(t, old).Outcome, Updated)
	eight := packedFiles(t, edition(8, "eight = Eight\n  eight.example.org\n"))
	s.offer(eight, key)
	want(t, "eight", takeCatalogue(t, other).Outcome, Updated)

	s.offer(packedFiles(t, edition(7, "")), key)
	if r := takeCatalogue(t, old); r.Outcome != Failed || !strings.Contains(r.Err.Error(), "8 was taken") {
		t.Error("seven again: ", r.Outcome, r.Err)
	}
	if r := takeCatalogue(t, replaced(t, r)); r.Outcome != Failed {
		t.Error("seven, on a router that has lost its lists: ", r.Outcome, r.Err)
	}
	s.offer(eight, key)
	want(t, "eight again", takeCatalogue(t, old).Outcome, Updated)
}

// TestSeenComesFirst: an edition whose number cannot be remembered is not taken,
// and not called the one before when it was.
func TestSeenComesFirst(t *testing.T) {
	s, key := newCatalogueServer(t), newSigner("provider")
	r := Replacement{URL: s.URL + "/c.tar.gz", Key: key.public, AllowHTTP: true, AllowPrivate: true, Seen: filepath.Join(t.TempDir(), "no folder", "seen")}
	l := replaced(t, r)
	s.offer(packedFiles(t, edition(7, "")), key)
	want(t, "outcome", takeCatalogue(t, l).Outcome, Failed)
	want(t, "in force", l.catalogue().IsBuiltIn(), true)
	state, err := l.CatalogueState()
	want(t, "its state", fmt.Sprint(state.Number, state.Failed, err), "0 true <nil>")
}

// TestTopicOfASource: a topic that only the last edition had is kept for a list
// about it.
func TestTopicOfASource(t *testing.T) {
	dir := folder(t, map[string]string{"services.txt": small})
	l := replaced(t, Replacement{Path: dir, InUse: func(string) bool { return false }})
	want(t, "the first", takeCatalogue(t, l).Outcome, Updated)
	mustImport(t, l, Source{ID: "list", Topic: "chirp"}, write(t, "list.txt", "more-chirp.example.org\n"))
	if err := os.WriteFile(filepath.Join(dir, "services.txt"), []byte(strings.ReplaceAll(small, "chirp", "tweet")), 0o600); err != nil {
		t.Fatal(err)
	}
	want(t, "the next", takeCatalogue(t, l).Outcome, Updated)
	outdated, err := l.Outdated()
	want(t, "outdated", fmt.Sprint(outdated, err), "true <nil>")
	want(t, "unknown", len(mustBuild(t, l).Unknown), 0)
	want(t, "its names", topicsOf(t, l, "more-chirp.example.org"), "chirp")
	if err := l.Add(t.Context(), Source{ID: "other", Topic: "chirp", URL: "https://lists.example/x"}); err != nil {
		t.Error(err)
	}
}
