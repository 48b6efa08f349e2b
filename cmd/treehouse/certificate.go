package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"strings"
	"sync/atomic"
	"time"
)

const (
	// certificateEvery is how often the files are looked at: two calls of the
	// system, and a parent who has put a new pair there does not wait for it.
	certificateEvery = 5 * time.Second
	// certificateMax bounds each file, in bytes: a chain of ten is 20 KB.
	certificateMax = 256 << 10
)

// certificate is the pair of files that devices from outside are shown, and the
// one in force: the last that was right.
type certificate struct {
	certFile, keyFile string
	log               *slog.Logger
	inForce           atomic.Pointer[tls.Certificate]

	// Of who looks at the files, one at a time.
	seen    [2]fs.FileInfo
	trouble string // that was logged last
}

// errNoCertificate refuses connections until there is a pair that fits.
var errNoCertificate = errors.New("there is no certificate yet")

// current is the certificate in force.
func (c *certificate) current() (*tls.Certificate, error) {
	if pair := c.inForce.Load(); pair != nil {
		return pair, nil
	}
	return nil, errNoCertificate
}

// name is what the certificate in force is for, "" if there is none.
func (c *certificate) name() string {
	if c == nil || c.inForce.Load() == nil {
		return ""
	}
	return nameOf(c.inForce.Load().Leaf)
}

// forPages is how the pages begin TLS. They speak HTTP/1.1 as they do without.
func (c *certificate) forPages() *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS12, NextProtos: []string{"http/1.1"},
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return c.current() },
	}
}

// openCertificate reads the configured pair. One that cannot be used is no reason
// not to answer at home: it is logged, and looked at again until it can.
func (d *daemon) openCertificate() {
	if tiny || d.config.TLS.Certificate == "" {
		return
	}
	d.certificate = &certificate{certFile: d.config.TLS.Certificate, keyFile: d.config.TLS.Key, log: d.log}
	d.certificate.look()
}

// keep takes new files until ctx ends.
func (c *certificate) keep(ctx context.Context) error {
	if tiny || c == nil {
		return nil
	}
	ticker := time.NewTicker(certificateEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
			c.look()
		}
	}
}

// look takes the pair if it is another than was seen last. Two files are not
// replaced at one moment, so a pair that is wrong is looked at again.
func (c *certificate) look() {
	var now [2]fs.FileInfo
	for i, name := range [...]string{c.certFile, c.keyFile} {
		now[i], _ = os.Stat(name)
	}
	if c.trouble == "" && sameFile(now[0], c.seen[0]) && sameFile(now[1], c.seen[1]) {
		return
	}
	pair, err := readPair(c.certFile, c.keyFile)
	if err != nil {
		if c.trouble != err.Error() {
			c.trouble = err.Error()
			stays := "the last good one stays"
			if c.inForce.Load() == nil {
				stays = "nobody gets through over TLS until it can"
			}
			c.log.Error("the certificate cannot be used; "+stays, "err", err)
		}
		return
	}
	c.trouble, c.seen = "", now
	c.inForce.Store(pair)
	c.log.Info("certificate in force", "name", nameOf(pair.Leaf), "until", pair.Leaf.NotAfter.Format(time.DateOnly))
}

func sameFile(a, b fs.FileInfo) bool {
	return a != nil && b != nil && os.SameFile(a, b) && a.Size() == b.Size() && a.ModTime().Equal(b.ModTime()) && a.Mode() == b.Mode()
}

// readPair reads a certificate and its key, and says which file is to be mended.
func readPair(certFile, keyFile string) (*tls.Certificate, error) {
	chain, err := readSmall(certFile)
	if err != nil {
		return nil, err
	}
	info, err := os.Stat(keyFile)
	if err == nil && info.Mode().Perm()&0o007 != 0 {
		return nil, fmt.Errorf("%s can be read or written by everybody on this machine; chmod 600 %[1]s", keyFile)
	}
	key, err := readSmall(keyFile)
	if err != nil {
		return nil, err
	}
	pair, err := tls.X509KeyPair(chain, key)
	if err != nil {
		return nil, fmt.Errorf("%s and %s are no certificate with its key: %s", certFile, keyFile, strings.TrimPrefix(err.Error(), "tls: "))
	}
	return &pair, nil
}

func readSmall(name string) ([]byte, error) {
	info, err := os.Stat(name)
	if err == nil && info.Size() > certificateMax {
		return nil, fmt.Errorf("%s is larger than %s; it is no certificate or key", name, formatBytes(certificateMax))
	}
	text, err := os.ReadFile(name)
	if err != nil {
		return nil, fmt.Errorf("%s cannot be read: %s", name, cause(err))
	}
	return text, nil
}

// nameOf is the name that leads to us from outside: what a wildcard of the
// certificate is below, since tokens stand there; else its first name.
func nameOf(leaf *x509.Certificate) string {
	for _, name := range leaf.DNSNames {
		if below, ok := strings.CutPrefix(name, "*."); ok {
			return below
		}
	}
	if len(leaf.DNSNames) > 0 {
		return leaf.DNSNames[0]
	}
	return ""
}

// publicName is tls.name, or what the certificate's file says.
func publicName(c *Config) string {
	if c.TLS.Name != "" || c.TLS.Certificate == "" {
		return c.TLS.Name
	}
	text, err := readSmall(c.TLS.Certificate)
	if err != nil {
		return ""
	}
	block, _ := pem.Decode(text)
	if block == nil {
		return ""
	}
	leaf, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return ""
	}
	return nameOf(leaf)
}
