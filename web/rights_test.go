package web

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// namedTest is a test as docs/child-rights.md names it: its file and its name.
var namedTest = regexp.MustCompile("`([\\w/]+_test\\.go)`\\s+(Test\\w+)")

// TestEveryRequirementHasATest: each requirement stands in docs/child-rights.md
// with at least one test, and each test named there exists.
func TestEveryRequirementHasATest(t *testing.T) {
	raw, err := os.ReadFile(filepath.Join("..", "docs", "child-rights.md"))
	if err != nil {
		t.Fatal(err)
	}
	text := string(raw)
	for _, id := range []string{"K1", "K2", "K3", "K4", "K5", "D", "TY", "AI", "FC"} {
		row := regexp.MustCompile(`(?m)^\| ` + id + ` \|.*$`).FindString(text)
		if row == "" {
			t.Errorf("%s is missing", id)
		} else if !namedTest.MatchString(row) {
			t.Errorf("%s names no test", id)
		}
	}
	for _, m := range namedTest.FindAllStringSubmatch(text, -1) {
		source, err := os.ReadFile(filepath.Join("..", filepath.FromSlash(m[1])))
		if err != nil {
			t.Errorf("%s: %v", m[2], err)
		} else if !strings.Contains(string(source), "\nfunc "+m[2]+"(") {
			t.Errorf("%s has no %s", m[1], m[2])
		}
	}
	if strings.Contains(strings.ToLower(text), "complies with") {
		t.Error("it maps to the guidelines; it claims no more")
	}
}
