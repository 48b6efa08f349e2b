package web

import (
	"bytes"
	"compress/gzip"
	"context"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/a-h/templ"

	"github.com/treehouse-dns/treehouse/household"
)

// page is what every page knows: who reads it, in which words, and what it may
// offer. It lives for one request.
type page struct {
	*words
	who     *visitor
	token   string
	path    string
	title   string
	brand   *Brand
	now     time.Time // in the house's zone
	house   *household.Household
	home    Home
	tongues []tongue
	assets  *assets
	claimed bool
	passkey bool // this browser may use one here
	notice  *notice
	trouble []Trouble
}

// notice is what just happened, with a way back where there is one.
type notice struct {
	text string
	undo string // where a form that takes it back sends, empty: no way back
	wait bool   // nothing happened, and this is why
}

// Brand is what an ISP may put on the pages. The words and the helplines are
// the same under every brand.
type Brand struct {
	Name    string // "Treehouse" if empty
	Logo    []byte // an SVG as CleanLogo gives it; empty: ours
	Hue     int    // of the one colour, 1 to 360 degrees, 0 for ours; its lightness is ours, so contrast holds
	Support string // a telephone number, an address or a site of who helps
}

func (s *Server) page(r *http.Request, v *visitor, title string) *page {
	h := s.home.Household()
	p := &page{
		words: s.dictionary.choose(r), who: v, token: s.formToken(v), path: r.URL.Path, brand: &s.brand,
		now: s.now().In(h.Zone()), house: h, home: s.home, tongues: s.dictionary.tongues, assets: s.assets, claimed: s.accounts.claimed(), passkey: mayUsePasskeys(r),
	}
	p.title = p.T(title)
	if v.signedIn() {
		for _, t := range s.home.Health() {
			if t != TroubleNoLists || p.path == "/" {
				p.trouble = append(p.trouble, t)
			}
		}
	}
	return p
}

// show writes a page: as a whole, so that an error halfway is an error page and
// not half of one.
func (s *Server) show(w http.ResponseWriter, r *http.Request, status int, c templ.Component) {
	buf := s.buffers.Get().(*bytes.Buffer)
	buf.Reset()
	defer func() {
		if buf.Cap() <= 64<<10 {
			s.buffers.Put(buf)
		}
	}()
	if err := c.Render(context.WithoutCancel(r.Context()), buf); err != nil {
		s.log.Error("a page could not be written", "path", r.URL.Path, "error", err)
		http.Error(w, "This page could not be written.", http.StatusInternalServerError)
		return
	}
	s.send(w, r, status, "text/html; charset=utf-8", buf.Bytes())
}

// send writes an answer, compressed where the client takes that.
func (s *Server) send(w http.ResponseWriter, r *http.Request, status int, kind string, body []byte) {
	h := w.Header()
	h.Set("Content-Type", kind)
	h.Set("Vary", "Accept-Encoding, Accept-Language, Cookie")
	if len(body) > 1400 && strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
		out := s.buffers.Get().(*bytes.Buffer)
		out.Reset()
		defer s.buffers.Put(out)
		s.compress(out, body)
		h.Set("Content-Encoding", "gzip")
		body = out.Bytes()
	}
	h.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		_, _ = w.Write(body) // the client may be gone
	}
}

// compress works for one at a time: a compressor takes 800 KiB. It writes into
// memory, so that nobody waits for somebody else's network.
func (s *Server) compress(out *bytes.Buffer, body []byte) {
	s.zip.Lock()
	defer s.zip.Unlock()
	z := s.zipper.Get().(*gzip.Writer)
	defer s.zipper.Put(z)
	z.Reset(out)
	_, _ = z.Write(body)
	_ = z.Close()
}

// frame and fields are layout and hidden as pages call them. Inlined into each
// page, the two would take another 100 KB of a router's flash.
//
//go:noinline
func (p *page) frame(kind string) templ.Component { return p.layout(kind) }

//go:noinline
func (p *page) fields() templ.Component { return p.hidden() }
