package blocklists

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"syscall"
	"time"
)

// Limits of one download.
const (
	maxDownload   = 64 << 20         // bytes as sent; the largest list known is 30 MB packed
	maxFetchTime  = 10 * time.Minute // for all of it: 64 MB at 1 Mbit/s is out of reach anyway
	maxAnswerTime = 30 * time.Second // until the first byte
	maxConnTime   = 15 * time.Second // to connect, and again for TLS
	maxRedirects  = 5
	maxHeader     = 64 << 10 // bytes
	maxValidator  = 256      // bytes of an ETag that are worth keeping
)

// FetchOptions say how Update reaches the world.
type FetchOptions struct {
	// Dial connects; nil resolves with the system's resolver. A router whose
	// resolver is this program hands in its own. The address that was reached
	// is checked in any case.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// TLS is the configuration to begin from, for a provider's own root; nil
	// trusts the system's. Its clock is Options.Now.
	TLS *tls.Config
	// UserAgent is sent; "" is "treehouse". It tells a list's keeper who fetches,
	// and nothing of the home.
	UserAgent string
}

// checkURL refuses an address that a list may not come from.
func checkURL(s Source) error {
	u, err := url.Parse(s.URL)
	switch {
	case err != nil:
		return fmt.Errorf("source %q: its URL cannot be read (%w)", s.ID, err)
	case u.Host == "":
		return fmt.Errorf("source %q: the URL %q names no host; a file on this machine is imported, not fetched", s.ID, s.URL)
	}
	return checkScheme(s, u)
}

func checkScheme(s Source, u *url.URL) error {
	if u.Scheme == "https" || u.Scheme == "http" && s.AllowHTTP {
		return nil
	}
	if u.Scheme == "http" {
		return fmt.Errorf("source %q: %s is without TLS, so anybody on the way may change the list; use https, or allow-http to take it as it is", s.ID, u.Redacted())
	}
	return fmt.Errorf("source %q: %s is no https address", s.ID, u.Redacted())
}

// reserved are the blocks, beside those that net/netip knows, that lead to
// somewhere in the home or the provider's network (RFC 6890), or that carry an
// IPv4 address inside which could (RFC 3056, RFC 4380, RFC 6052, RFC 8215).
var reserved = [...]netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"), netip.MustParsePrefix("100.64.0.0/10"), netip.MustParsePrefix("192.0.0.0/24"),
	netip.MustParsePrefix("198.18.0.0/15"), netip.MustParsePrefix("240.0.0.0/4"), netip.MustParsePrefix("fec0::/10"),
	netip.MustParsePrefix("2002::/16"), netip.MustParsePrefix("2001::/32"), netip.MustParsePrefix("64:ff9b::/96"), netip.MustParsePrefix("64:ff9b:1::/48"),
}

// isPublic tells whether an address is one of the internet at large.
func isPublic(a netip.Addr) bool {
	a = a.Unmap().WithZone("")
	if !a.IsGlobalUnicast() || a.IsPrivate() {
		return false
	}
	for _, p := range reserved {
		if p.Contains(a) {
			return false
		}
	}
	return true
}

// fetcher fetches one source.
type fetcher struct {
	source Source
	opt    Options
	permit func(netip.Addr) bool // isPublic; tests have their own
}

// errPrivate says that a list's host is not out on the internet.
func (f *fetcher) errPrivate(a netip.Addr) error {
	return fmt.Errorf("source %q: its host has the address %s, which is not on the internet; set allow-private if it is meant", f.source.ID, a)
}

// check judges the address of a connection, "192.0.2.1:443".
func (f *fetcher) check(address string) error {
	ap, err := netip.ParseAddrPort(address)
	if err != nil {
		return err
	}
	if !f.source.AllowPrivate && !f.permit(ap.Addr()) {
		return f.errPrivate(ap.Addr())
	}
	return nil
}

// dial connects to a host and looks at the address after it was resolved:
// before connecting where the system dials, and in any case before a byte is
// sent. What a name resolved to a moment ago would prove nothing.
func (f *fetcher) dial(ctx context.Context, network, address string) (net.Conn, error) {
	dial := f.opt.Fetch.Dial
	if dial == nil {
		dialer := net.Dialer{Timeout: maxConnTime, Control: func(_, address string, _ syscall.RawConn) error { return f.check(address) }}
		dial = dialer.DialContext
	}
	conn, err := dial(ctx, network, address)
	if err != nil {
		return nil, err
	}
	if err := f.check(conn.RemoteAddr().String()); err != nil {
		conn.Close()
		return nil, err
	}
	return conn, nil
}

func (f *fetcher) client() *http.Client {
	config := &tls.Config{}
	if f.opt.Fetch.TLS != nil {
		config = f.opt.Fetch.TLS.Clone()
	}
	config.Time = f.opt.Now
	return &http.Client{
		Transport: &http.Transport{
			Proxy:                  nil, // an environment variable must not lead lists elsewhere
			DialContext:            f.dial,
			TLSClientConfig:        config,
			TLSHandshakeTimeout:    maxConnTime,
			ResponseHeaderTimeout:  maxAnswerTime,
			MaxResponseHeaderBytes: maxHeader,
			DisableKeepAlives:      true,
			DisableCompression:     true, // unpack does it, within its limits
		},
		CheckRedirect: func(r *http.Request, via []*http.Request) error {
			if len(via) > maxRedirects {
				return fmt.Errorf("source %q: it was redirected more than %d times", f.source.ID, maxRedirects)
			}
			return checkScheme(f.source, r.URL)
		},
	}
}

// download is a fetched list in a file without a name.
type download struct {
	file               *os.File
	size               int64
	etag, lastModified string
}

// open gives the content from its start.
func (d *download) open() (io.ReadCloser, error) {
	return io.NopCloser(io.NewSectionReader(d.file, 0, d.size)), nil
}

func (d *download) close() { d.file.Close() }

// fetch downloads the list, nil if it has not changed since the last good one.
func (f *fetcher) fetch(ctx context.Context, etag, lastModified string) (*download, error) {
	ctx, cancel := context.WithTimeout(ctx, maxFetchTime)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, f.source.URL, nil)
	if err != nil {
		return nil, err
	}
	request.Header.Set("User-Agent", cmp.Or(f.opt.Fetch.UserAgent, "treehouse"))
	request.Header.Set("Accept-Encoding", "gzip")
	if etag != "" {
		request.Header.Set("If-None-Match", etag)
	}
	if lastModified != "" {
		request.Header.Set("If-Modified-Since", lastModified)
	}
	response, err := f.client().Do(request)
	if err != nil {
		var inside *url.Error
		if errors.As(err, &inside) {
			err = inside.Err // without the method; the URL is the source's and known
		}
		return nil, err
	}
	defer response.Body.Close()
	switch {
	case response.StatusCode == http.StatusNotModified && (etag != "" || lastModified != ""):
		return nil, nil
	case response.StatusCode != http.StatusOK:
		return nil, fmt.Errorf("its server answered %q", response.Status)
	case response.ContentLength > maxDownload:
		return nil, fmt.Errorf("it has %d MiB and may have %d", response.ContentLength>>20, maxDownload>>20)
	}
	return f.save(response)
}

// save keeps the body of a response in a file that ends with the process.
func (f *fetcher) save(response *http.Response) (*download, error) {
	file, err := os.CreateTemp(f.opt.Temp, "treehouse-fetch-*")
	if err != nil {
		return nil, err
	}
	os.Remove(file.Name())
	size, err := io.Copy(file, io.LimitReader(response.Body, maxDownload+1))
	switch {
	case err != nil: // net/http tells of a body shorter than announced
		err = fmt.Errorf("it ended after %d bytes: %w", size, err)
	case size > maxDownload:
		err = fmt.Errorf("it has more than the %d MiB it may have", maxDownload>>20)
	}
	if err != nil {
		file.Close()
		return nil, err
	}
	d := &download{file: file, size: size}
	if etag := response.Header.Get("ETag"); len(etag) <= maxValidator {
		d.etag = etag
	}
	if date := response.Header.Get("Last-Modified"); len(date) <= maxValidator {
		d.lastModified = date
	}
	return d, nil
}
