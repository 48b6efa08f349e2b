package web

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// DefaultName is where a child finds My internet. home.arpa belongs to homes
// (RFC 8375), and browsers take a name with dots for an address and not for a
// search.
const DefaultName = "treehouse.home.arpa"

// Options are what a Server is made of. Home and Vault have to be there.
type Options struct {
	Home  Home
	Vault Vault

	// Hosts are the names the pages answer to, beside DefaultName, localhost and
	// the addresses they are asked at. Nothing else gets a page.
	Hosts []string
	// Country chooses the helplines, ISO 3166 ("GB"); empty: those for every country.
	Country string
	// Language is the house's, for visitors whose browser asks for none of ours.
	Language string
	Brand    Brand
	// LANPage answers requests for blocked names with the page that explains
	// it, for a resolver that sends blocked names to this address.
	LANPage bool
	// Now is the clock; nil is the system's.
	Now func() time.Time
	// Log gets what goes wrong, and never who asked for what; nil: nothing.
	Log *slog.Logger
}

// Server is the pages and the API. Any number of requests are served at once.
type Server struct {
	home       Home
	accounts   *accounts
	hasher     *hasher
	lockout    *lockout
	dictionary *dictionary
	assets     *assets
	brand      Brand
	country    string
	hosts      map[string]bool
	lanPage    bool
	now        func() time.Time
	log        *slog.Logger

	handler http.Handler
	slots   chan struct{} // requests worked on at once
	live    *streams
	rules   atomic.Pointer[compiled]

	buffers, zipper sync.Pool
	zip             sync.Mutex
}

// New makes a Server. It reads the accounts from the vault; in a new house it
// also makes the claim code.
func New(o Options) (*Server, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Brand.Name == "" {
		o.Brand.Name = "Treehouse"
	}
	if o.Brand.Hue < 0 || o.Brand.Hue > 360 {
		return nil, fmt.Errorf("the brand's hue is %d; it is an angle from 1 to 360, or 0 for ours", o.Brand.Hue)
	}
	words, err := newDictionary(o.Language)
	if err != nil {
		return nil, err
	}
	accounts, err := openAccounts(o.Vault, o.Now)
	if err != nil {
		return nil, err
	}
	s := &Server{
		home: o.Home, accounts: accounts, hasher: newHasher(time.Now), lockout: newLockout(o.Now), dictionary: words,
		assets: packAssets(o.Brand), brand: o.Brand, country: strings.ToUpper(o.Country), lanPage: o.LANPage, now: o.Now, log: o.Log,
		hosts: map[string]bool{DefaultName: true, "localhost": true},
		slots: make(chan struct{}, maxAtOnce), live: newStreams(),
	}
	for _, name := range o.Hosts {
		s.hosts[strings.TrimSuffix(strings.ToLower(name), ".")] = true
	}
	s.buffers.New = func() any { return new(bytes.Buffer) }
	s.zipper.New = func() any { z, _ := gzip.NewWriterLevel(nil, gzip.DefaultCompression); return z }
	s.handler = s.guard(s.routes())
	return s, nil
}

// ClaimCode is what shows that whoever sets the house up can see the router: to
// be printed at start-up. It is empty once a parent has a passphrase.
func (s *Server) ClaimCode() string { return s.accounts.claimCode() }

// ServeHTTP answers one request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.handler.ServeHTTP(w, r) }

const (
	headerTimeout = 5 * time.Second  // for a request's headers
	bodyTimeout   = 15 * time.Second // for all of a request
	idleTimeout   = 60 * time.Second // between two requests of a connection
	maxHeader     = 8 << 10          // bytes
	closing       = 3 * time.Second  // for what is under way at the end
)

// Run serves the listeners until ctx ends, and gives what stopped it otherwise.
func (s *Server) Run(ctx context.Context, listeners ...net.Listener) error {
	server := &http.Server{
		Handler: s, ReadHeaderTimeout: headerTimeout, ReadTimeout: bodyTimeout, IdleTimeout: idleTimeout, MaxHeaderBytes: maxHeader,
		ErrorLog: slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
		// A stream ends when the server does.
		BaseContext: func(net.Listener) context.Context { return ctx },
	}
	failed := make(chan error, len(listeners))
	for _, l := range listeners {
		go func() { failed <- server.Serve(newLimitListener(l)) }()
	}
	var err error
	select {
	case <-ctx.Done():
	case err = <-failed:
	}
	end, cancel := context.WithTimeout(context.Background(), closing)
	defer cancel()
	if shut := server.Shutdown(end); shut != nil {
		server.Close()
	}
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}
