package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"log/slog"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// newPair is a certificate that vouches for itself, and its key, in PEM, good
// until a time.
func newPair(until time.Time, names ...string) (chain, key []byte) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: names[0]}, DNSNames: names,
		NotBefore: until.AddDate(0, 0, -45), NotAfter: until, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		panic(err)
	}
	raw, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		panic(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: raw})
}

// TestCertificateIsReplaced: a new pair is taken as it is found, one that is wrong
// changes nothing, is said once, and is taken when it has been mended.
func TestCertificateIsReplaced(t *testing.T) {
	var log strings.Builder
	dir := t.TempDir()
	c := &certificate{certFile: filepath.Join(dir, "cert.pem"), keyFile: filepath.Join(dir, "key.pem"), log: slog.New(slog.NewTextHandler(&log, nil))}
	write := func(name string, text []byte, mode os.FileMode) {
		t.Helper()
		path := filepath.Join(dir, name)
		os.Remove(path)
		if err := os.WriteFile(path, text, mode); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
	}
	inForce := func() string {
		pair, err := c.current()
		if err != nil {
			return ""
		}
		return pair.Leaf.DNSNames[0]
	}
	until := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	first, firstKey := newPair(until, "first.example")
	second, secondKey := newPair(until, "second.example", "*.second.example")
	for _, step := range []struct {
		what      string
		chain     []byte
		key       []byte
		mode      os.FileMode
		want, log string
	}{
		{"nothing there", nil, nil, 0, "", "nobody gets through over TLS until it can"},
		{"a key that everybody can read", first, firstKey, 0o644, "", "chmod 600"},
		{"a pair", first, firstKey, 0o600, "first.example", "certificate in force"},
		{"the same pair", nil, nil, 0, "first.example", ""},
		{"a certificate without its key yet", second, firstKey, 0o600, "first.example", "are no certificate with its key"},
		{"still without", nil, nil, 0, "first.example", ""},
		{"and its key", second, secondKey, 0o640, "second.example", "name=second.example"},
		{"a file that is none", []byte("<html>"), secondKey, 0o600, "second.example", "the last good one stays"},
	} {
		if step.chain != nil {
			write("cert.pem", step.chain, 0o644)
			write("key.pem", step.key, step.mode)
		}
		log.Reset()
		c.look()
		if got := inForce(); got != step.want {
			t.Errorf("%s: %q is in force", step.what, got)
		}
		if got := log.String(); !strings.Contains(got, step.log) || step.log == "" && got != "" {
			t.Errorf("%s: logged %q", step.what, got)
		}
	}
	if got := c.name(); got != "second.example" {
		t.Errorf("devices are led to %q", got)
	}
	var none *certificate
	if none.name() != "" {
		t.Error("a name without a certificate")
	}
	pages := c.forPages()
	if pages.MinVersion != tls.VersionTLS12 {
		t.Errorf("pages take TLS %x", pages.MinVersion)
	}
}
