package e2e

import (
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/treehouse-dns/treehouse/"

// arrows is what each folder may import of ours, as ARCHITECTURE.md draws it.
// cmd/treehouse wires and may import everything; bench and e2e measure and drive.
var arrows = map[string][]string{
	"filter":               {},
	"store":                {},
	"firewall":             {},
	"blocklists/catalogue": {"filter"},
	"blocklists":           {"filter", "store", "blocklists/catalogue"},
	"household":            {"filter", "store"},
	"notify":               {"household"},
	"resolver":             {"filter"},
	"web":                  {"household", "blocklists", "filter"},
	"fleet":                {"household", "blocklists"},
}

// homes is the one folder that may import a large library.
var homes = map[string]string{
	"github.com/spf13/viper":  "cmd/treehouse",
	"github.com/miekg/dns":    "resolver",
	"go.etcd.io/bbolt":        "store",
	"github.com/spf13/pflag":  "cmd/treehouse",
	"github.com/spf13/cobra":  "cmd/treehouse",
	"go.etcd.io/bbolt/errors": "store",
}

// TestArrows holds the picture of the folders: imports point downward only, and
// each large library has one home. Tests may import what they like.
func TestArrows(t *testing.T) {
	seen := 0
	err := filepath.WalkDir("..", func(file string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (d.Name() == "node_modules" || d.Name() == "testdata" || d.Name() == "dist" || strings.HasPrefix(d.Name(), ".") && d.Name() != "..") {
			return fs.SkipDir
		}
		if !strings.HasSuffix(file, ".go") || strings.HasSuffix(file, "_test.go") {
			return nil
		}
		seen++
		folder := path.Dir(filepath.ToSlash(strings.TrimPrefix(file, ".."+string(filepath.Separator))))
		source, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		for _, i := range source.Imports {
			what, err := strconv.Unquote(i.Path.Value)
			if err != nil {
				return err
			}
			if problem := arrow(folder, what); problem != "" {
				t.Errorf("%s imports %s: %s", file, what, problem)
			}
		}
		return nil
	})
	if err != nil || seen == 0 {
		t.Fatalf("%d files read: %v", seen, err)
	}
	for _, bad := range [][2]string{{"filter", "golang.org/x/net/idna"}, {"resolver", module + "household"}, {"web", "go.etcd.io/bbolt"}, {"household", module + "blocklists"}} {
		if arrow(bad[0], bad[1]) == "" {
			t.Errorf("the test would not notice %s importing %s", bad[0], bad[1])
		}
	}
}

// arrow says what is wrong with a folder importing something, "" if nothing is.
func arrow(folder, what string) string {
	if home, ok := homes[what]; ok && folder != home && !free(folder) {
		return "only " + home + " may"
	}
	if folder == "filter" && strings.Contains(strings.SplitN(what, "/", 2)[0], ".") {
		return "filter imports the standard library only"
	}
	ours, ok := strings.CutPrefix(what, module)
	if !ok || free(folder) || folder == "cmd/treehouse" {
		return ""
	}
	allowed, known := arrows[top(folder)]
	if !known {
		return "the picture of the folders does not have " + folder
	}
	for _, a := range append(allowed, top(folder)) {
		if ours == a || strings.HasPrefix(ours, a+"/") {
			return ""
		}
	}
	return "the arrow points upward"
}

// top is the folder of the picture that a folder belongs to.
func top(folder string) string {
	for f := folder; f != "."; f = path.Dir(f) {
		if _, ok := arrows[f]; ok {
			return f
		}
	}
	return folder
}

// free folders measure and drive, and ship nothing.
func free(folder string) bool {
	return folder == "e2e" || folder == "bench" || strings.HasPrefix(folder, "bench/") || strings.HasPrefix(folder, "e2e/")
}
