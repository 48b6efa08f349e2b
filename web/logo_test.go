package web

import (
	"encoding/xml"
	"errors"
	"io"
	"strings"
	"testing"
)

// TestLogo: what a drawing program writes is taken as it is meant; what could
// run, refer or fetch is refused with what to do.
func TestLogo(t *testing.T) {
	ours, err := assetFiles.ReadFile("assets/icon.svg")
	if err != nil {
		t.Fatal(err)
	}
	for name, good := range map[string]string{
		"ours":    string(ours),
		"prolog":  "\ufeff<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<!-- by hand -->\n<svg viewBox='0 0 8 8'>\n <g fill=\"none\" transform=\"rotate(9)\"><path d=\"M0 0h8\"/></g>\n</svg>\n",
		"title":   `<svg xmlns="http://www.w3.org/2000/svg"><title>Our House</title><circle cx="4" cy="4" r="4" fill="rgb(1, 2, 3)"></circle></svg>`,
		"percent": `<svg width="100%" height="1e2"><rect width="8" height="8"/></svg>`,
	} {
		clean, err := CleanLogo([]byte(good))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if wrong := harm(clean); wrong != "" {
			t.Errorf("%s comes out with %s: %s", name, wrong, clean)
		}
		if again, err := CleanLogo(clean); err != nil || string(again) != string(clean) {
			t.Errorf("%s is not taken as it came out: %v", name, err)
		}
	}
	for what, bad := range badLogos() {
		if clean, err := CleanLogo([]byte(bad)); err == nil {
			t.Errorf("%s is taken: %s", what, clean)
		} else if !strings.Contains(err.Error(), "logo") || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func badLogos() map[string]string {
	in := func(s string) string { return `<svg xmlns="http://www.w3.org/2000/svg">` + s + `</svg>` }
	return map[string]string{
		"a script":             in(`<script>alert(1)</script>`),
		"another namespace":    in(`<svg:script>alert(1)</svg:script>`),
		"capitals":             in(`<SCRIPT>alert(1)</SCRIPT>`),
		"an event":             in(`<path onload="alert(1)" d="M0 0"/>`),
		"an event of the root": `<svg onload="alert(1)"/>`,
		"a style":              in(`<style>@import "x"</style>`),
		"a style attribute":    in(`<path style="fill:url(http://x.example)" d="M0 0"/>`),
		"a url":                in(`<path fill="url(http://x.example/#a)" d="M0 0"/>`),
		"a url with capitals":  in(`<path fill="URL(//x.example)" d="M0 0"/>`),
		"an escaped url":       in(`<path fill="&#117;rl(//x.example)" d="M0 0"/>`),
		"a css escape":         in(`<path fill="\75rl(//x.example)" d="M0 0"/>`),
		"foreign content":      in(`<foreignObject><p/></foreignObject>`),
		"an image":             in(`<image href="http://x.example/a.png"/>`),
		"a use":                in(`<use href="#a"/>`),
		"a link":               in(`<a href="javascript:alert(1)"><path d="M0 0"/></a>`),
		"xlink":                `<svg xmlns:xlink="http://www.w3.org/1999/xlink"/>`,
		"an animation":         in(`<animate attributeName="href" to="javascript:alert(1)"/>`),
		"text":                 in(`hello`),
		"an entity":            `<!DOCTYPE svg [<!ENTITY x "y">]>` + in(``),
		"cdata":                in(`<![CDATA[<script>]]>`),
		"an instruction":       `<?xml-stylesheet href="x.css"?>` + in(``),
		"an html page":         `<!DOCTYPE html><html><body>hello</body></html>`,
		"nothing":              ``,
		"only a comment":       `<!-- x -->`,
		"two roots":            in(``) + in(``),
		"not closed":           `<svg><g></svg>`,
		"no quotes":            `<svg width=8/>`,
		"twice the same":       `<svg width="8" width="9"/>`,
		"too large":            in(strings.Repeat(" ", maxLogo)),
		"no UTF-8":             in("<title>\xff</title>"),
		"a quote in a value":   `<svg width='8" onload="x'/>`,
		"a foreign namespace":  `<svg xmlns="http://www.w3.org/1999/xhtml"/>`,
		"a comment cut short":  `<svg><!-- <script>`,
	}
}

// harm finds what a logo may not hold, with another reader of XML.
func harm(svg []byte) string {
	d := xml.NewDecoder(strings.NewReader(string(svg)))
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return ""
		}
		if err != nil {
			return err.Error()
		}
		switch token := token.(type) {
		case xml.StartElement:
			if !isOf(token.Name.Local, logoElements) || token.Name.Space != svgNamespace {
				return "the element " + token.Name.Space + " " + token.Name.Local
			}
			for _, a := range token.Attr {
				low := strings.ToLower(a.Value)
				if !isOf(a.Name.Local, logoAttrs) || a.Name.Space != "" || a.Name.Local != "xmlns" && (strings.Contains(low, "url") || strings.Contains(low, "script:") || strings.Contains(low, "//")) {
					return "the attribute " + a.Name.Local + "=" + a.Value
				}
			}
		case xml.Directive, xml.ProcInst, xml.Comment:
			return "what is no element"
		}
	}
}

// FuzzLogo: whatever is taken is harmless to another reader, no longer than it
// may be by much, and taken again as it is.
func FuzzLogo(f *testing.F) {
	for _, bad := range badLogos() {
		f.Add([]byte(bad))
	}
	f.Add([]byte(`<svg viewBox="0 0 8 8"><g><path d="M0 0h8"/></g><title>x</title></svg>`))
	f.Fuzz(func(t *testing.T, svg []byte) {
		clean, err := CleanLogo(svg)
		if err != nil {
			return
		}
		if wrong := harm(clean); wrong != "" {
			t.Fatalf("%q comes out with %s: %q", svg, wrong, clean)
		}
		if len(clean) > 2*maxLogo {
			t.Fatalf("%d bytes came out as %d", len(svg), len(clean))
		}
		if len(clean) > maxLogo {
			return
		}
		if again, err := CleanLogo(clean); err != nil || string(again) != string(clean) {
			t.Fatalf("%q is not taken as it came out: %v", clean, err)
		}
	})
}
