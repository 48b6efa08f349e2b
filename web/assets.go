package web

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"net/http"
	"path"
	"strconv"
	"strings"
)

//go:embed assets
var assetFiles embed.FS

// assets are the files pages refer to, compressed once. Their path carries a
// hash of what is in them, so a browser keeps them for good.
type assets struct {
	files map[string]asset // by URL path
	style string           // the URL paths
	quick string
	icon  string

	passkey string // only in builds with passkeys
}

const svgKind = "image/svg+xml"

type asset struct {
	kind          string
	plain, zipped []byte
}

func packAssets(brand Brand) *assets {
	a := &assets{files: map[string]asset{}}
	add := func(name, kind string, text []byte) string {
		if path.Ext(name) == ".js" {
			text = withoutComments(text)
		}
		if brand.Hue != 0 {
			text = bytes.Replace(text, []byte("--hue: 150"), []byte("--hue: "+strconv.Itoa(brand.Hue)), 1)
		}
		if kind == svgKind && len(brand.Logo) > 0 {
			text = brand.Logo
		}
		sum := sha256.Sum256(text)
		at := "/a/" + hex.EncodeToString(sum[:6]) + path.Ext(name)
		var z bytes.Buffer
		w, _ := gzip.NewWriterLevel(&z, gzip.BestCompression)
		_, _ = w.Write(text)
		_ = w.Close()
		a.files[at] = asset{kind, text, z.Bytes()}
		return at
	}
	file := func(name, kind string) string {
		text, err := assetFiles.ReadFile("assets/" + name)
		if err != nil {
			panic(err) // embedded
		}
		return add(name, kind, text)
	}
	a.style = file("style.css", "text/css; charset=utf-8")
	a.quick = file("quick.js", "text/javascript; charset=utf-8")
	a.icon = file("icon.svg", svgKind)
	if passkeyScript != "" {
		a.passkey = add("passkey.js", "text/javascript; charset=utf-8", []byte(passkeyScript))
	}
	return a
}

// withoutComments is a script without the lines that are comments and without
// indentation: a browser needs neither.
func withoutComments(script []byte) []byte {
	var out []byte
	for line := range bytes.Lines(script) {
		if line = bytes.TrimLeft(line, " "); !bytes.HasPrefix(line, []byte("//")) {
			out = append(out, line...)
		}
	}
	return out
}

func (a *assets) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f, ok := a.files[r.URL.Path]
	if !ok {
		http.NotFound(w, r)
		return
	}
	h := w.Header()
	h.Set("Content-Type", f.kind)
	h.Set("Cache-Control", "public, max-age=31536000, immutable")
	h.Set("Vary", "Accept-Encoding")
	body := f.plain
	if strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
		h.Set("Content-Encoding", "gzip")
		body = f.zipped
	}
	h.Set("Content-Length", strconv.Itoa(len(body)))
	_, _ = w.Write(body) // the client may be gone
}
