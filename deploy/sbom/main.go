// Command sbom writes what a binary is made of, as CycloneDX 1.5 (ECMA-424), from
// what the Go compiler has noted in the binary itself: nothing can be in one and
// not in the other.
//
//	go run ./deploy/sbom dist/treehouse > treehouse.cdx.json
package main

import (
	"crypto/sha256"
	"debug/buildinfo"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"strings"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "sbom: say which binary")
		os.Exit(2)
	}
	if err := write(os.Stdout, os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "sbom:", err)
		os.Exit(1)
	}
}

// The parts of a CycloneDX document that we fill in.
type (
	document struct {
		Format      string      `json:"bomFormat"`
		SpecVersion string      `json:"specVersion"`
		Version     int         `json:"version"`
		Metadata    metadata    `json:"metadata"`
		Components  []component `json:"components"`
	}
	metadata struct {
		Component component `json:"component"`
	}
	component struct {
		Type    string `json:"type"`
		Name    string `json:"name"`
		Version string `json:"version,omitempty"`
		PURL    string `json:"purl,omitempty"`
		Hashes  []hash `json:"hashes,omitempty"`
	}
	hash struct {
		Algorithm string `json:"alg"`
		Content   string `json:"content"`
	}
)

// write writes the document of a binary. It has no date and no serial number, so
// that the same binary has the same document.
func write(w io.Writer, binary string) error {
	info, err := buildinfo.ReadFile(binary)
	if err != nil {
		return err
	}
	content, err := os.ReadFile(binary)
	if err != nil {
		return err
	}
	sum := sha256.Sum256(content)
	main := module("application", info.Main)
	main.Hashes = []hash{{"SHA-256", hex.EncodeToString(sum[:])}}
	doc := document{Format: "CycloneDX", SpecVersion: "1.5", Version: 1, Metadata: metadata{main}}
	// The standard library is a part like any other, and has a version.
	goVersion := strings.TrimPrefix(strings.Fields(info.GoVersion)[0], "go")
	doc.Components = []component{{Type: "library", Name: "stdlib", Version: goVersion, PURL: "pkg:golang/stdlib@" + goVersion}}
	for _, dependency := range info.Deps {
		m := *dependency
		// What stands below dist is the library itself with some of its files.
		if m.Replace != nil && !strings.HasPrefix(m.Replace.Path, "./dist/") {
			m = *m.Replace
		}
		doc.Components = append(doc.Components, module("library", m))
	}
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(doc)
}

// module is a Go module as a component. Its sum is of the files that Go has
// checked against go.sum (the h1: is a SHA-256, in base64).
func module(kind string, m debug.Module) component {
	c := component{Type: kind, Name: m.Path, Version: m.Version, PURL: "pkg:golang/" + m.Path}
	if m.Version != "" {
		c.PURL += "@" + m.Version
	}
	if sum, ok := strings.CutPrefix(m.Sum, "h1:"); ok {
		if b, err := base64.StdEncoding.DecodeString(sum); err == nil {
			c.Hashes = []hash{{"SHA-256", hex.EncodeToString(b)}}
		}
	}
	return c
}
