package main

import (
	"bytes"
	"encoding/json"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

func TestEveryModuleIsNamed(t *testing.T) {
	if testing.Short() {
		t.Skip("it builds the daemon")
	}
	binary := filepath.Join(t.TempDir(), "treehouse")
	if out, err := exec.Command("go", "build", "-o", binary, "../../cmd/treehouse").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	var first, second bytes.Buffer
	if err := write(&first, binary); err != nil {
		t.Fatal(err)
	}
	if err := write(&second, binary); err != nil || !bytes.Equal(first.Bytes(), second.Bytes()) {
		t.Errorf("written twice, the documents differ (%v)", err)
	}
	var doc document
	if err := json.Unmarshal(first.Bytes(), &doc); err != nil {
		t.Fatal(err)
	}
	if doc.Metadata.Component.Name != "github.com/treehouse-dns/treehouse" || len(doc.Metadata.Component.Hashes) != 1 {
		t.Errorf("it is the document of %+v", doc.Metadata.Component)
	}
	// What go itself says is in the binary.
	out, err := exec.Command("go", "version", "-m", binary).Output()
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(out)) {
		words := strings.Fields(line)
		if len(words) < 3 || words[0] != "dep" {
			continue
		}
		if !strings.Contains(first.String(), `"pkg:golang/`+words[1]+"@"+words[2]+`"`) {
			t.Errorf("%s %s is not in the document", words[1], words[2])
		}
	}
	if c := doc.Components[0]; c.Name != "stdlib" || c.Version == "" {
		t.Errorf("the standard library is %+v", c)
	}
	if err := write(&first, "main.go"); err == nil {
		t.Error("a file that is no binary has a document")
	}
}
