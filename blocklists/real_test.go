package blocklists

import (
	"bufio"
	"compress/gzip"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/treehouse-dns/treehouse/blocklists/catalogue"
)

// shared is the folder with real lists, which are not part of the repository.
func shared(t testing.TB) string {
	dir := os.Getenv("TREEHOUSE_SHARED")
	if dir == "" {
		dir = "../../shared"
	}
	dir = filepath.Join(dir, "data")
	if _, err := os.Stat(filepath.Join(dir, "lists")); err != nil {
		t.Skip("no real lists here: ", err)
	}
	return dir
}

// naive counts the names of a list in the simplest way that can be right: no
// parser of ours, a map, and only what looks like a name of two labels.
func naive(t *testing.T, path string) int {
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	var r io.Reader = file
	if strings.HasSuffix(path, ".gz") {
		if r, err = gzip.NewReader(file); err != nil {
			t.Fatal(err)
		}
	}
	names := map[string]bool{}
	in := bufio.NewScanner(r)
	for in.Scan() {
		line := in.Text()
		if line == "" || strings.ContainsAny(line[:1], "#!") {
			continue
		}
		line, _, _ = strings.Cut(line, "#")
		words := strings.Fields(strings.NewReplacer("||", "", "^", "", "*.", "", "address=/", "", "/", "").Replace(line))
		for _, name := range words {
			if strings.Contains(name, ".") && !isAddress([]byte(name)) {
				names[strings.ToLower(name)] = true
			}
		}
	}
	return len(names)
}

func TestRealLists(t *testing.T) {
	if testing.Short() {
		t.Skip("real lists take seconds")
	}
	dir := filepath.Join(shared(t), "lists")
	l := testLibrary(t, func(o *Options) { o.Catalogue = catalogue.BuiltIn() })
	var files []string
	filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() && d.Name() != "LICENSE" {
			files = append(files, path)
		}
		return err
	})
	for _, path := range files {
		source := Source{Topic: "adult"}
		archive := strings.Contains(path, "/ut1/") || strings.Contains(path, "v2fly")
		if archive {
			source.Topic = ""
		}
		r := mustImport(t, l, source, path)[0]
		refused := []string{}
		for reason, n := range r.Refused {
			refused = append(refused, strings.Split(string(reason), ":")[0]+" "+strconv.Itoa(n))
		}
		t.Logf("%-45s %-9s lines %6d entries %6d duplicates %5d refused %s", strings.TrimPrefix(path, dir+"/"), r.Format, r.Lines, r.Entries, r.Duplicates, refused)
		if !archive {
			// The naive count takes what is refused with good reason.
			if n := naive(t, path); n < r.Entries || n > r.Entries+r.RefusedLines() {
				t.Errorf("%s: a naive count finds %d names, we took %d and refused %d", path, n, r.Entries, r.RefusedLines())
			}
		}
	}
	build := mustBuild(t, l)
	t.Logf("built %+v", build.Stats)
	want(t, "a name of the malware list's neighbour", topicsOf(t, l, "www.bestgore.com"), "adult,hate")
	want(t, "a top site", topicsOf(t, l, "wikipedia.org"), "")
}
