package blocklists

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/treehouse-dns/treehouse/filter"
	"github.com/treehouse-dns/treehouse/store"
)

// TestKilled ends a process by SIGKILL while it imports and builds. The last
// good names and the last good snapshot are there, and the next import works.
func TestKilled(t *testing.T) {
	if dir := os.Getenv("TREEHOUSE_TEST_KILLED"); dir != "" {
		killMe(dir)
	}
	l := testLibrary(t)
	dir := l.opt.Temp
	mustImport(t, l, Source{ID: "x", Topic: "adult"}, write(t, "x", numbered(0, 5000)+"first.example\n"))
	mustBuild(t, l)
	rounds := 10
	if testing.Short() {
		rounds = 2
	}
	random := rand.New(rand.NewSource(3))
	for range rounds {
		child := exec.Command(os.Args[0], "-test.run=^TestKilled$")
		child.Env = append(os.Environ(), "TREEHOUSE_TEST_KILLED="+dir)
		out, err := child.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := child.Start(); err != nil {
			t.Skip("no child process here: ", err)
		}
		io.ReadFull(out, make([]byte, 1+random.Intn(40))) // a byte for every step of it
		child.Process.Kill()
		child.Wait()

		again, err := Open(dir, l.opt)
		if err != nil || again.Recovered() != nil {
			t.Fatal(err, again.Recovered())
		}
		want(t, "n7 in the snapshot", topicsOf(t, again, "n7.example"), "adult")
		found, err := again.Find(filter.MustName("n8.example"))
		if err != nil || len(found) != 1 {
			t.Fatal("stored: ", found, err)
		}
		left, _ := os.ReadDir(dir)
		for _, e := range left {
			if !strings.HasPrefix(e.Name(), fileName) {
				t.Error("left behind: ", e.Name())
			}
		}
	}
	mustImport(t, l, Source{ID: "x", Topic: "adult"}, write(t, "x", "last.example\n"))
	mustBuild(t, l)
	want(t, "after all that", topicsOf(t, l, "last.example"), "adult")
	want(t, "after all that", topicsOf(t, l, "n7.example"), "")
}

// killMe imports and builds for ever, and says so at each step.
func killMe(dir string) {
	l, err := Open(dir, Options{Catalogue: testCatalogue(), Memory: minSortBytes})
	for n := 0; err == nil; n++ {
		path := filepath.Join(filepath.Dir(dir), "list")
		os.WriteFile(path, []byte(numbered(0, 30_000+n%7*1000)), 0o600)
		_, err = l.Import(tell{context.Background()}, Source{ID: "x", Topic: "adult"}, []string{path})
		os.Remove(path)
		if err == nil {
			_, err = l.Build(tell{context.Background()})
		}
	}
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

// tell is a context that says when it is asked, which is at every read and every
// few thousand names.
type tell struct{ context.Context }

func (c tell) Err() error {
	os.Stdout.Write([]byte{'.'})
	return nil
}

func TestDiskFull(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=1m"); err != nil {
		t.Skip("no small disk here: ", err)
	}
	t.Cleanup(func() { syscall.Unmount(dir, 0) })
	opt := Options{Catalogue: testCatalogue(), Memory: minSortBytes}
	l, err := Open(dir, opt)
	if err != nil {
		t.Fatal(err)
	}
	mustImport(t, l, Source{ID: "x", Topic: "adult"}, write(t, "x", "good.example\n"))
	mustBuild(t, l)
	random := rand.New(rand.NewSource(6))
	var names strings.Builder
	for range 150_000 { // that do not pack well
		fmt.Fprintf(&names, "%016x.example\n", random.Uint64())
	}
	big := write(t, "x", names.String())
	_, err = l.Import(context.Background(), Source{ID: "x", Topic: "adult"}, []string{big})
	if !errors.Is(err, syscall.ENOSPC) {
		t.Error("the sort's file: ", err)
	}
	l.opt.Temp = t.TempDir()
	_, err = l.Import(context.Background(), Source{ID: "x", Topic: "adult"}, []string{big})
	if !errors.Is(err, syscall.ENOSPC) || !strings.Contains(err.Error(), "the disk is full") {
		t.Error("the library's file: ", err)
	}
	want(t, "afterwards", topicsOf(t, l, "good.example"), "adult")
	mustBuild(t, l)
	want(t, "built again", topicsOf(t, l, "good.example"), "adult")
}

// TestDamagedSnapshot: filtering goes on with the catalogue, and it is said.
func TestDamagedSnapshot(t *testing.T) {
	l := testLibrary(t)
	mustImport(t, l, Source{ID: "x", Topic: "adult"}, write(t, "x", "a.example\n"))
	mustBuild(t, l)
	if problems, err := l.Verify(context.Background()); len(problems) > 0 || err != nil {
		t.Error(problems, err)
	}
	err := l.file.WriteLarge(snapshotTable, func(w io.Writer) error { _, err := w.Write([]byte("rot")); return err }, nil)
	if err != nil {
		t.Fatal(err)
	}
	if problems, err := l.Verify(context.Background()); len(problems) != 1 || err != nil {
		t.Error(problems, err)
	}
	trie, err := l.Snapshot()
	if err == nil || !strings.Contains(err.Error(), "build the lists again") {
		t.Error(err)
	}
	if trie == nil || trie.Lookup(filter.MustName("core-adult.example")).Set == 0 {
		t.Error("nothing to filter by")
	}
	mustBuild(t, l)
	want(t, "built again", topicsOf(t, l, "a.example"), "adult")

	path := l.file.Path()
	whole, _ := os.ReadFile(path)
	os.WriteFile(path, whole[:len(whole)/2], 0o600)
	again, err := Open(filepath.Dir(path), l.opt)
	if err != nil || again.Recovered() == nil {
		t.Fatal(err, again.Recovered())
	}
	if bad, _ := filepath.Glob(path + ".bad-*"); bad != nil {
		t.Error("kept on flash, though it can be made again: ", bad)
	}
	want(t, "from the catalogue", topicsOf(t, again, "core-adult.example"), "adult")
	want(t, "not there any more", topicsOf(t, again, "a.example"), "")
}

// TestShadowed runs the whole way where the file cannot be mapped.
func TestShadowed(t *testing.T) {
	l := testLibrary(t, func(o *Options) {
		o.Store = store.Options{Scratch: t.TempDir(), Mappable: func(string) error { return syscall.EINVAL }}
	})
	for range 2 {
		mustImport(t, l, Source{ID: "x", Topic: "adult"}, write(t, "x", numbered(0, 5000)))
		mustBuild(t, l)
	}
	want(t, "a name", topicsOf(t, l, "n4999.example"), "adult")
}

// TestMergeTwin compares what the builder is given with what a map and a sort
// make of the same lists, at the smallest memory and at plenty.
func TestMergeTwin(t *testing.T) {
	random := rand.New(rand.NewSource(4))
	var lists []string
	type entry struct {
		name  string
		topic string
		mode  filter.Mode
	}
	twin := map[entry]bool{}
	topics := []string{"adult", "ads", "gambling"}
	add := func(name, topic string, mode filter.Mode) {
		twin[entry{filter.MustName(name).String(), topic, mode}] = true
	}
	for i := range topics {
		var list strings.Builder
		for range 20_000 {
			name := fmt.Sprintf("n%d.example", random.Intn(15_000))
			if random.Intn(3) == 0 {
				name = fmt.Sprintf("w%d.%s", random.Intn(3), name)
			}
			rule, mode := "||%s^\n", filter.Suffix
			switch random.Intn(10) {
			case 0:
				rule, mode = "@@||%s^\n", filter.Except
			case 1:
				rule, mode = "|%s^\n", filter.Exact
			case 2:
				rule, mode = "||%s^$important\n", filter.Suffix|filter.Important
			}
			fmt.Fprintf(&list, rule, name)
			add(name, topics[i], mode)
		}
		lists = append(lists, list.String())
	}
	add("tiktok.com", "tiktok", filter.Suffix)
	add("childline.example", "helplines", filter.Suffix)
	add("core-adult.example", "adult", filter.Suffix)
	add("news.example", "any", filter.Except)

	for _, memory := range []int{minSortBytes, 64 << 20} {
		l := testLibrary(t, func(o *Options) { o.Memory = memory })
		for i, list := range lists {
			mustImport(t, l, Source{ID: topics[i], Topic: topics[i]}, write(t, "list", list))
		}
		sources, err := l.Sources()
		if err != nil {
			t.Fatal(err)
		}
		c := l.newCompiler(l.catalogue(), sources)
		for range 2 { // it is the same each time
			seen := map[entry]bool{}
			var last filter.Name
			err = c.entries(context.Background())(func(e filter.Entry) bool {
				topic := "any"
				if e.Topic != filter.AnyCategory {
					topic = c.topics[e.Topic].ID
				}
				at := entry{e.Name.String(), topic, e.Mode}
				if seen[at] || !twin[at] {
					t.Fatalf("%v comes twice or from nowhere", at)
				}
				seen[at] = true
				if last != nil && last.Compare(e.Name) > 0 {
					t.Fatalf("%s comes after %s", e.Name, last)
				}
				last = append(last[:0], e.Name...)
				return true
			})
			if err != nil || len(seen) != len(twin) {
				t.Fatalf("%d entries of %d, %v", len(seen), len(twin), err)
			}
		}
	}
}

// TestSorterSpills: what comes out is sorted and unique, whatever the bound.
func TestSorterSpills(t *testing.T) {
	random := rand.New(rand.NewSource(5))
	s := newSorter(t.TempDir(), minSortBytes)
	defer s.close()
	twin := map[string]bool{}
	for range 60_000 {
		r := appendTail(appendKey(nil, fmt.Appendf(nil, "a%d.b%d.example", random.Intn(300), random.Intn(300))), filter.Suffix, uint16(random.Intn(2)))
		twin[string(r)] = true
		if err := s.add(r); err != nil {
			t.Fatal(err)
		}
		if held := len(s.pages)*pageBytes + 4*len(s.index); held > 2*minSortBytes+pageBytes {
			t.Fatalf("it holds %d bytes", held)
		}
	}
	if err := s.finish(); err != nil {
		t.Fatal(err)
	}
	if len(s.runs) < 4 {
		t.Fatalf("only %d runs were spilled", len(s.runs))
	}
	for range 2 {
		in := s.stream()
		var last record
		n := 0
		for {
			r, err := in.next()
			if err != nil {
				t.Fatal(err)
			}
			if r == nil {
				break
			}
			if bytes.Compare(last, r) >= 0 || !twin[string(r)] {
				t.Fatalf("%q after %q", r, last)
			}
			last = slices.Clone(r)
			n++
		}
		want(t, "records", n, len(twin))
	}
}

// FuzzBlock reads blocks that nobody wrote: no panic, no record that cannot be.
func FuzzBlock(f *testing.F) {
	var b block
	for _, name := range []string{"a.example", "b.example", "c.b.example"} {
		b.add(appendTail(appendKey(nil, []byte(name)), filter.Suffix, 1))
	}
	f.Add(b.coded)
	f.Add([]byte{0, 5, 'a', 0, 0, 0, 0, 5, 0})
	f.Fuzz(func(t *testing.T, coded []byte) {
		in := blockReader{rest: coded}
		for {
			r, err := in.next()
			if r == nil || err != nil {
				return
			}
			if name := r.appendName(nil); len(name) > filter.MaxNameLen+tailLen {
				t.Fatalf("a name of %d bytes", len(name))
			}
		}
	})
}
