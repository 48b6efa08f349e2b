package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestEveryPageIsFolded: what templ wrote anew and nobody folded takes room.
func TestEveryPageIsFolded(t *testing.T) {
	files, err := filepath.Glob("../*_templ.go")
	if err != nil || len(files) == 0 {
		t.Fatalf("%d pages: %v", len(files), err)
	}
	for _, file := range files {
		source, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(source), "templ_7745c5c3_Err") {
			t.Errorf("%s is as templ wrote it; run go generate ./web", filepath.Base(file))
		}
	}
}
