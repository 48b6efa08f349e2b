package web

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/tls"
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
	// Probes are the names by which a page sees whether a browser asks us; the
	// resolver has to know them too. nil: that is not tested.
	Probes *Probes
	// Look tests the router for the page about ways around, until ctx ends at
	// most; nil: it is not tested.
	Look func(ctx context.Context) []Tested
	// Away is how a device with a token reaches the resolver from outside; nil, or
	// the zero Way: it does not.
	Away func(token string) Way
	// Now is the clock; nil is the system's.
	Now func() time.Time
	// Log gets what goes wrong, and never who asked for what; nil: nothing.
	Log *slog.Logger
}

// Way is what a device away from home is told, each empty if there is none.
type Way struct {
	TLS   string // the name for Android's Private DNS
	HTTPS string // the address for DNS over HTTPS
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
	probes     *Probes
	look       func(ctx context.Context) []Tested
	away       func(token string) Way
	now        func() time.Time
	log        *slog.Logger

	handler http.Handler
	slots   chan struct{} // requests worked on at once
	live    *streams
	rules   atomic.Pointer[compiled]

	passkeyState passkeyState

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
	if o.Away == nil {
		o.Away = func(string) Way { return Way{} }
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
		probes: o.Probes, look: o.Look, away: o.Away,
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
// be printed at start-up. It is empty once a parent has a passphrase, and in a
// build without their pages.
func (s *Server) ClaimCode() string {
	if !parentsPages {
		return ""
	}
	return s.accounts.claimCode()
}

// Reload takes the accounts and sessions as the Vault has them, because another
// process has changed, restored or erased them. In a vault that is empty a new
// house begins.
func (s *Server) Reload() error {
	s.accounts.mu.Lock()
	defer s.accounts.mu.Unlock()
	if err := s.accounts.reload(); err != nil {
		return fmt.Errorf("reading the accounts: %w", err)
	}
	return nil
}

// ServeHTTP answers one request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.handler.ServeHTTP(w, r) }

const (
	headerTimeout = 5 * time.Second  // for a request's headers
	bodyTimeout   = 15 * time.Second // for all of a request
	answerTimeout = 30 * time.Second // for all of a request and its answer: a page is some 10 KiB
	idleTimeout   = 60 * time.Second // between two requests of a connection
	maxHeader     = 8 << 10          // bytes
	closing       = 3 * time.Second  // for what is under way at the end
)

// Secure is a listener for Run whose connections begin with TLS.
func Secure(l net.Listener, config *tls.Config) net.Listener {
	return secured{l, func(inner net.Listener) net.Listener { return tls.NewListener(inner, config) }}
}

// secured begins TLS by a function of its own: who never asks for it links no TLS.
type secured struct {
	net.Listener
	begin func(inner net.Listener) net.Listener
}

// limited bounds a listener's connections, below their TLS: a server has to see
// that a connection is one.
func limited(l net.Listener) net.Listener {
	if t, ok := l.(secured); ok {
		return t.begin(newLimitListener(t.Listener))
	}
	return newLimitListener(l)
}

// Run serves the listeners until ctx ends, and gives what stopped it otherwise.
func (s *Server) Run(ctx context.Context, listeners ...net.Listener) error {
	server := &http.Server{
		Handler: s, ReadHeaderTimeout: headerTimeout, ReadTimeout: bodyTimeout,
		WriteTimeout: answerTimeout, IdleTimeout: idleTimeout, MaxHeaderBytes: maxHeader,
		ErrorLog: slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
		// A stream ends when the server does.
		BaseContext: func(net.Listener) context.Context { return ctx },
	}
	failed := make(chan error, len(listeners))
	for _, l := range listeners {
		go func() { failed <- server.Serve(limited(l)) }()
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
