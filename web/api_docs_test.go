package web_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"net/http/httptest"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/treehouse-dns/treehouse/household"
)

var updateDocs = flag.Bool("update", false, "write what the API answers into docs/api.md")

// example is a call of docs/api.md, and the answer that stands below it.
var example = regexp.MustCompile("(?m)^```sh\ncurl (.*)\n```\n(?:\n```json\n((?s:.*?))```\n)?")

var (
	exampleMethod = regexp.MustCompile(`-X (\w+)`)
	exampleBody   = regexp.MustCompile(`--json '([^']*)'`)
	examplePath   = regexp.MustCompile(`\$HOUSE(/[^\s"]*)`)
)

// TestAPIDocs makes every call of docs/api.md, in their order, and holds that no
// call is left out: `go test ./web -run APIDocs -update` writes the answers down.
func TestAPIDocs(t *testing.T) {
	const file = "../docs/api.md"
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	s := newStage(t, nil)
	admin, program := s.parent().token("admin"), s.browser("192.168.1.9")
	if err := s.home.Change(func(h *household.Household) error {
		_, err := h.Ask(household.Request{Person: 1, Site: "tiktok.com", Words: "please"}, s.now())
		return err
	}); err != nil {
		t.Fatal(err)
	}
	d := describe(t, s)
	shown := map[string]bool{}
	written := example.ReplaceAllStringFunc(string(text), func(block string) string {
		m := example.FindStringSubmatch(block)
		method, body, path := "GET", "", examplePath.FindStringSubmatch(m[1])[1]
		if b := exampleBody.FindStringSubmatch(m[1]); b != nil {
			method, body = "POST", b[1]
		}
		if x := exampleMethod.FindStringSubmatch(m[1]); x != nil {
			method = x[1]
		}
		shown[strings.ToLower(method)+" "+regexp.MustCompile(`/\d+`).ReplaceAllString(strings.Split(path, "?")[0], "/{id}")] = true
		if !strings.Contains(block, "```json") {
			return block
		}
		r := httptest.NewRequest(method, path, strings.NewReader(body))
		r.Header.Set("Authorization", "Bearer "+admin)
		w := program.do(r)
		if strings.HasSuffix(path, "/log") && method == "PUT" {
			s.home.Ask(1, "www.wikipedia.org", s.now())
		}
		var pretty bytes.Buffer
		if err := json.Indent(&pretty, bytes.TrimSpace(w.Body.Bytes()), "", "  "); err != nil {
			t.Fatalf("curl %s: %v", m[1], err)
		}
		if got := pretty.String() + "\n"; got != m[2] && !*updateDocs {
			t.Errorf("curl %s gives\n%snot what docs/api.md says:\n%s", m[1], got, m[2])
		}
		return strings.Replace(block, "```json\n"+m[2], "```json\n"+pretty.String()+"\n", 1)
	})
	for path, methods := range d.root["paths"].(map[string]any) {
		for method := range methods.(map[string]any) {
			if !shown[method+" "+path] {
				t.Errorf("docs/api.md has no example of %s %s", method, path)
			}
		}
	}
	if *updateDocs {
		if err := os.WriteFile(file, []byte(written), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}
