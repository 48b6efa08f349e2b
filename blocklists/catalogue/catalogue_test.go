package catalogue

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/treehouse-dns/treehouse/filter"
)

// TestTextIsSound holds what every line of the data must be.
func TestTextIsSound(t *testing.T) {
	ids := map[string]bool{}
	names := map[string]int{} // by topic ID: how many names block or list
	seen := map[string]bool{}
	facts := map[string]string{}
	targets := map[string]int{}
	BuiltIn().all(func(l line) bool {
		id := l.topic.ID
		switch {
		case l.word == "":
			if ids[id] {
				t.Errorf("%s: the topic stands twice", id)
			}
			ids[id] = true
			if id != strings.ToLower(id) || len(id) > 63 || strings.ContainsAny(id, " _.") {
				t.Errorf("%q is no good ID", id)
			}
			if l.topic.Title == "" {
				t.Errorf("%s: no title", id)
			}
			if (l.topic.Kind == filter.KindService) != (l.topic.Group != "") {
				t.Errorf("%s: services have a group and nothing else does", id)
			}
		case l.fact == "":
			name, mode, err := entry(l.word)
			if err != nil {
				t.Errorf("%s: %s: %v", id, l.word, err)
				return true
			}
			if text := strings.TrimLeft(l.word, "=!"); name.String() != text+"." {
				t.Errorf("%s: %s is not in lower case ASCII", id, l.word)
			}
			if name.Labels() < 2 || publicSuffixes[strings.TrimSuffix(name.String(), ".")] {
				t.Errorf("%s: %s is a public suffix", id, l.word)
			}
			if seen[id+" "+name.String()] {
				t.Errorf("%s: %s stands twice", id, l.word)
			}
			seen[id+" "+name.String()] = true
			if mode != filter.Except {
				names[id]++
			}
			if l.topic.Kind == filter.KindSafeSearch && mode != filter.Exact {
				t.Errorf("%s: %s must be exact: an engine's other hosts have no safe twin", id, l.word)
			}
		case l.fact == "target":
			if _, err := filter.ParseName(l.word); err != nil || l.topic.Kind != filter.KindSafeSearch {
				t.Errorf("%s: target %s: %v", id, l.word, err)
			}
			targets[id]++
		case l.fact == "ut1" || l.fact == "v2fly" || l.fact == "not-v2fly":
			if other := facts[l.fact+l.word]; other != "" {
				t.Errorf("%s: %s %s is already %s's", id, l.fact, l.word, other)
			}
			facts[l.fact+l.word] = id
			if l.topic.protected || l.topic.Kind == filter.KindSafeSearch {
				t.Errorf("%s: a list may not add to it", id)
			}
		default:
			t.Errorf("%s: unknown fact %q", id, l.fact)
		}
		return true
	})
	for _, topic := range Topics() {
		if names[topic.ID] == 0 {
			t.Errorf("%s: no names", topic.ID)
		}
		if topic.Kind == filter.KindSafeSearch && (targets[topic.ID] != 1 || topic.Target == "") {
			t.Errorf("%s: needs one target", topic.ID)
		}
	}
	// A name is not repeated below itself: the longer one would do nothing.
	topics, by := Topics(), entriesByName(t)
	for _, list := range by {
		for _, e := range list {
			if e.Mode == filter.Except {
				continue
			}
			for p := e.Name.Parent(); len(p) > 1; p = p.Parent() {
				if slices.ContainsFunc(by[p.String()], func(o filter.Entry) bool { return o.Topic == e.Topic && o.Mode == filter.Suffix }) {
					t.Errorf("%s: %s is already covered by %s", topics[e.Topic].ID, e.Name, p)
				}
			}
		}
	}
}

// publicSuffixes are the ones somebody could write by mistake here.
var publicSuffixes = func() map[string]bool {
	m := map[string]bool{}
	for s := range strings.FieldsSeq(`co.uk org.uk gov.uk nhs.uk ac.uk police.uk com.au org.au gov.au net.au edu.au co.nz org.nz govt.nz
		com.br org.br gov.br co.jp or.jp go.jp ne.jp co.kr or.kr go.kr co.za org.za gov.za co.in org.in gov.in ac.in com.mx gob.mx
		com.ar gob.ar com.tr org.tr gov.tr com.cn org.cn gov.cn com.tw com.hk com.sg com.my org.my com.ph gov.ph co.id co.th co.il org.il
		com.pl org.pl gov.pl com.pt com.es gob.es gouv.fr asso.fr gc.ca org.pe com.pe com.co gov.co co.ke or.ke com.ng com.eg com.sa
		com.ua org.ua com.ru com.lb github.io blogspot.com netlify.app vercel.app pages.dev web.app appspot.com herokuapp.com`) {
		m[s] = true
	}
	return m
}()

// entries are the catalogue's as a Trie takes them, sorted.
func entries(t testing.TB) []filter.Entry {
	t.Helper()
	index := map[string]filter.TopicID{}
	for i, topic := range Topics() {
		index[topic.ID] = filter.TopicID(i)
	}
	var out []filter.Entry
	Entries(func(id string, name filter.Name, mode filter.Mode) bool {
		topic, ok := index[id]
		if !ok {
			t.Fatalf("%s is in Entries and not in Topics", id)
		}
		out = append(out, filter.Entry{Name: name, Topic: topic, Mode: mode})
		return true
	})
	slices.SortStableFunc(out, func(a, b filter.Entry) int { return a.Name.Compare(b.Name) })
	return out
}

func entriesByName(t testing.TB) map[string][]filter.Entry {
	by := map[string][]filter.Entry{}
	for _, e := range entries(t) {
		by[e.Name.String()] = append(by[e.Name.String()], e)
	}
	return by
}

func trie(t testing.TB) *filter.Trie {
	t.Helper()
	return compile(t, entries(t))
}

func compile(t testing.TB, sorted []filter.Entry) *filter.Trie {
	t.Helper()
	slices.SortStableFunc(sorted, func(a, b filter.Entry) int { return a.Name.Compare(b.Name) })
	var buf bytes.Buffer
	_, err := filter.BuildTrie(&buf, Topics(), func(yield func(filter.Entry) bool) error {
		for _, e := range sorted {
			if !yield(e) {
				break
			}
		}
		return nil
	}, filter.BuildOptions{})
	if err != nil {
		t.Fatal(err)
	}
	trie, err := filter.OpenTrie(buf.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	return trie
}

// TestServicesStandAlone switches each service off in turn: its own core names
// stop, and every core name of every other service goes on working.
func TestServicesStandAlone(t *testing.T) { standAlone(t, trie(t)) }

// TestServicesStandAloneWithLists does the same with lists that name what the
// exceptions take out.
func TestServicesStandAloneWithLists(t *testing.T) {
	all := entries(t)
	for _, e := range all {
		if e.Mode == filter.Except {
			all = append(all, filter.Entry{Name: e.Name, Topic: e.Topic, Mode: filter.Suffix})
		}
	}
	standAlone(t, compile(t, all))
}

func standAlone(t *testing.T, compiled *filter.Trie) {
	topics := Topics()
	noon := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	without := make([]filter.Policy, len(topics)) // by topic: everything on, but for that
	for id, topic := range topics {
		without[id] = filter.Policy{ID: filter.PolicyID(id), Topics: []filter.TopicRule{{Topic: topic.ID}}}
	}
	snap := filter.NewSnapshot(compiled, nil, without)
	for _, e := range entries(t) {
		if topics[e.Topic].Kind != filter.KindService || e.Mode == filter.Except {
			continue
		}
		for id, off := range topics {
			if off.Kind != filter.KindService {
				continue
			}
			v := snap.Decide(filter.Client{Policy: filter.PolicyID(id)}, e.Name, noon)
			if blocked := v.Action == filter.Block; blocked != (e.Topic == filter.TopicID(id)) {
				t.Errorf("%s off: %s of %s, blocked %v", off.ID, e.Name, topics[e.Topic].ID, blocked)
			}
		}
	}
}

// TestNoNameOfTwoServices: a core name belongs to one service.
func TestNoNameOfTwoServices(t *testing.T) {
	topics := Topics()
	of := map[string]string{}
	for _, e := range entries(t) {
		if topics[e.Topic].Kind != filter.KindService || e.Mode == filter.Except {
			continue
		}
		if other := of[e.Name.String()]; other != "" {
			t.Errorf("%s is of %s and of %s", e.Name, other, topics[e.Topic].ID)
		}
		of[e.Name.String()] = topics[e.Topic].ID
	}
}

// TestExceptionsAreSomebodys: a name taken out of a service belongs to another,
// or it would be a hole nobody knows of; or it is shared by several, or helps
// devices.
func TestExceptionsAreSomebodys(t *testing.T) {
	topics, by := Topics(), entriesByName(t)
	shared := strings.Fields("fbcdn.net. facebook.net. googlevideo.com. ytimg.com. alexa.amazon.com. read.amazon.com.")
	for name, list := range by {
		for _, e := range list {
			if e.Mode != filter.Except || slices.Contains(shared, name) {
				continue
			}
			if !slices.ContainsFunc(list, func(o filter.Entry) bool { return o.Topic != e.Topic && o.Mode != filter.Except }) {
				t.Errorf("%s: the exception %s is no other service's name", topics[e.Topic].ID, name)
			}
		}
	}
}

// TestNothingProtectedInACategory: no name of the lifeline, of the must-not-block
// set or of the kids' list is blocked by a category.
func TestNothingProtectedInACategory(t *testing.T) {
	var everything []filter.TopicRule
	for _, topic := range Topics() {
		if topic.Kind == filter.KindCategory {
			everything = append(everything, filter.TopicRule{Topic: topic.ID})
		}
	}
	snap := filter.NewSnapshot(trie(t), nil, []filter.Policy{{Topics: everything}})
	noon := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	check := func(name filter.Name) bool {
		if v := snap.Decide(filter.Client{}, name, noon); v.Action == filter.Block {
			t.Errorf("%s is blocked by %s", name, snap.Trie().Topic(v.Topic).ID)
		}
		return true
	}
	BuiltIn().Protected(check)
	topics := Topics()
	for _, e := range entries(t) {
		if k := topics[e.Topic].Kind; k == filter.KindLifeline || k == filter.KindListed || k == filter.KindSafeSearch {
			check(e.Name)
		}
	}
	if v := snap.Decide(filter.Client{}, filter.MustName("www.adult.example"), noon); v.Action != filter.Block {
		t.Error("www.adult.example passes: the test tests nothing")
	}
}

// TestEnough holds the counts that the project promises.
func TestEnough(t *testing.T) {
	groups := map[string]int{}
	kinds := map[filter.Kind]int{}
	for _, topic := range Topics() {
		kinds[topic.Kind]++
		if topic.Kind == filter.KindService && !strings.HasPrefix(topic.ID, "other-") {
			groups[topic.Group]++
		}
	}
	for _, group := range strings.Fields(`social messaging gaming video live-streaming music ai-assistants ai-companions
		ai-image shopping dating file-sharing school-cloud app-stores kids-games kids-video`) {
		if groups[group] < 12 {
			t.Errorf("the group %s has %d services, want at least 12", group, groups[group])
		}
		delete(groups, group)
	}
	if len(groups) > 0 {
		t.Errorf("unexpected groups: %v", groups)
	}
	if kinds[filter.KindService] < 120 {
		t.Errorf("%d services, want at least 120", kinds[filter.KindService])
	}
	if kinds[filter.KindCategory] < 20 {
		t.Errorf("%d categories, want at least 20", kinds[filter.KindCategory])
	}
	protectedKinds := map[string]int{}
	protectedNames := map[string]bool{}
	BuiltIn().ProtectedKinds(func(kind, _ string, name filter.Name) bool {
		protectedKinds[kind]++
		protectedNames[name.String()] = true
		return true
	})
	if len(protectedNames) < 300 || len(protectedKinds) < 12 {
		t.Errorf("%d must-not-block names in %d kinds, want 300 in 12", len(protectedNames), len(protectedKinds))
	}
	for kind, n := range protectedKinds {
		if n < 7 {
			t.Errorf("must-not-block kind %s has %d names", kind, n)
		}
	}
	google := 0
	Entries(func(id string, _ filter.Name, _ filter.Mode) bool {
		if id == "google" {
			google++
		}
		return true
	})
	if google < 187 {
		t.Errorf("%d Google names, want 187", google)
	}
	t.Logf("%d topics, %v by kind, %d protected names in %d kinds", len(Topics()), kinds, len(protectedNames), len(protectedKinds))
}

func TestOtherProjectsNames(t *testing.T) {
	for _, c := range []struct{ from, name, want string }{
		{"ut1", "adult", "adult"}, {"ut1", "mixed_adult", "adult"}, {"ut1", "drogue", "drugs"}, {"ut1", "agressif", "hate"},
		{"ut1", "publicite", "ads"}, {"ut1", "doh", "anonymisers"}, {"ut1", "social_networks", "other-social"}, {"ut1", "press", ""}, {"ut1", "bank", ""},
		{"v2fly", "tiktok", "tiktok"}, {"v2fly", "category-porn", "adult"}, {"v2fly", "twitter", "x"}, {"v2fly", "snap", "snapchat"},
		{"v2fly", "google", ""}, {"v2fly", "amazon", ""}, {"v2fly", "icloud", ""}, {"v2fly", "adult", ""}, {"v2fly", "", ""},
	} {
		find := BuiltIn().UT1
		if c.from == "v2fly" {
			find = BuiltIn().V2fly
		}
		if got, ok := find(c.name); got != c.want || ok != (c.want != "") {
			t.Errorf("%s %q: %q %v, want %q", c.from, c.name, got, ok, c.want)
		}
	}
}

// TestBadText: a wrong line is named with its file and number.
func TestBadText(t *testing.T) {
	for text, want := range map[string]string{
		"@kind nonsense\n":       "line 1: unknown kind",
		"@kind sealed\n":         "line 1: unknown kind",
		"\n@colour red\n":        "line 2: unknown directive",
		"tiktok TikTok\n":        "line 1: a topic is written",
		"@kind service\n  a.b\n": "line 2: a name needs a topic",
	} {
		if err := walk("f.txt", text, map[string]*topic{}, func(line) bool { return true }); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
}

// TestListsKeepServicesApart: what v2fly's files add to a service is no other
// service's core name, or an exception takes it out again. It needs the shared
// data beside the repository.
func TestListsKeepServicesApart(t *testing.T) {
	files := v2flyFiles(t)
	kinds := map[string]filter.Kind{}
	for _, topic := range Topics() {
		kinds[topic.ID] = topic.Kind
	}
	core, except := map[string]string{}, map[string]bool{} // name → service; "service name"
	Entries(func(id string, name filter.Name, mode filter.Mode) bool {
		if text := strings.TrimSuffix(name.String(), "."); kinds[id] != filter.KindService {
			return true
		} else if mode == filter.Except {
			except[id+" "+text] = true
		} else {
			core[text] = id
		}
		return true
	})
	mapped := 0
	for file := range files {
		id, ok := BuiltIn().V2fly(file)
		if !ok || kinds[id] != filter.KindService || strings.HasPrefix(id, "other-") {
			continue
		}
		mapped++
		added := map[string]bool{}
		v2flyNames(files, file, "", map[string]bool{}, added)
		for name, service := range core {
			if service == id {
				continue
			}
			for covers := name; covers != ""; _, covers, _ = strings.Cut(covers, ".") {
				if except[id+" "+covers] {
					break
				}
				if added[covers] {
					t.Errorf("v2fly's %s adds %s to %s, and with it %s's %s", file, covers, id, service, name)
				}
			}
		}
		for _, shared := range []string{"google.com", "googleapis.com", "amazonaws.com", "cloudfront.net", "apple.com", "icloud.com", "microsoft.com", "akamaized.net", "fbcdn.net", "googlevideo.com", "ytimg.com"} {
			if added[shared] && !except[id+" "+shared] {
				t.Errorf("v2fly's %s adds %s to %s", file, shared, id)
			}
		}
	}
	if mapped < 100 {
		t.Errorf("only %d files of v2fly are services", mapped)
	}
}

// v2flyFiles are the lines of each file of the archive.
func v2flyFiles(t *testing.T) map[string][]string {
	shared := os.Getenv("TREEHOUSE_SHARED")
	if shared == "" {
		shared = "../../../shared"
	}
	file, err := os.Open(filepath.Join(shared, "data", "lists", "v2fly-domain-list-community.tar.gz"))
	if err != nil {
		t.Skip("no shared data: ", err)
	}
	defer file.Close()
	plain, err := gzip.NewReader(file)
	if err != nil {
		t.Fatal(err)
	}
	files := map[string][]string{}
	for archive := tar.NewReader(plain); ; {
		h, err := archive.Next()
		if err == io.EOF {
			return files
		}
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(archive)
		if err != nil {
			t.Fatal(err)
		}
		files[path.Base(h.Name)] = strings.Split(string(text), "\n")
	}
}

// v2flyNames adds the names of a file and what it includes; with want, only those
// that carry that attribute.
func v2flyNames(files map[string][]string, file, want string, seen, names map[string]bool) {
	if seen[file+want] {
		return
	}
	seen[file+want] = true
	for _, line := range files[file] {
		line, _, _ = strings.Cut(line, "#")
		fields := strings.Fields(line)
		if len(fields) == 0 {
			continue
		}
		attributes := fields[1:]
		if kind, value, typed := strings.Cut(fields[0], ":"); kind == "include" {
			of := want
			if len(attributes) > 0 {
				of = attributes[0]
			}
			v2flyNames(files, value, of, seen, names)
		} else if want == "" || slices.Contains(attributes, want) {
			switch {
			case !typed:
				names[kind] = true
			case kind == "domain" || kind == "full":
				names[value] = true
			}
		}
	}
}

// TestVersionFollowsTheText: a router compiles again when Version changes, so
// new text with the old Version would stay unknown to it.
func TestVersionFollowsTheText(t *testing.T) {
	h := sha256.New()
	for _, text := range []string{categories, services, safeSearch, lifeline, kids, protected} {
		h.Write([]byte(text))
	}
	got := fmt.Sprintf("%s %x\n", Version, h.Sum(nil)[:8])
	want, err := os.ReadFile("testdata/version.txt")
	if err != nil {
		t.Fatal(err)
	}
	if got == string(want) {
		return
	}
	if strings.HasPrefix(string(want), Version+" ") {
		t.Fatalf("the data has changed: raise Version in doc.go, then put the line of the next failure into testdata/version.txt")
	}
	t.Fatalf("put this line into testdata/version.txt: %s", got)
}

func BenchmarkEntries(b *testing.B) {
	n := 0
	for b.Loop() {
		n = 0
		Entries(func(string, filter.Name, filter.Mode) bool { n++; return true })
	}
	b.ReportMetric(float64(n), "names")
}

func BenchmarkV2fly(b *testing.B) {
	for b.Loop() {
		BuiltIn().V2fly("no-such-file")
	}
}
