package blocklists

import (
	"fmt"
	"path/filepath"
	"strings"
	"time"
)

// Source is one list that somebody else keeps.
type Source struct {
	ID     string // names it: lower-case letters, digits, "-", "_" and "."
	Topic  string // the catalogue's topic its names belong to; empty for an archive whose folders say
	Format Format // empty to tell from the content
	Exact  bool   // a plain name stands for itself only, not for what is below it

	URL          string        // where Update fetches it; empty for one that is imported by hand
	Refresh      time.Duration // how often Update fetches it; 0 is a day
	AllowHTTP    bool          // without TLS anybody on the way may change a list
	AllowPrivate bool          // the URL may lead to an address of the home or the provider
	Contact      string        `json:",omitempty"` // who keeps it, if not as its URL tells: https://… or mailto:…
}

// Format is how a list is written.
type Format string

// The formats. Each has a file of its own here that says what of it is read.
const (
	Hosts    Format = "hosts"
	Domains  Format = "domains"
	Wildcard Format = "wildcard"
	Adblock  Format = "adblock"
	Dnsmasq  Format = "dnsmasq"
	RPZ      Format = "rpz"
	V2fly    Format = "v2fly"
	UT1      Format = "ut1"
)

// formats are all of them, in the order that help texts name them.
var formats = [...]Format{Hosts, Domains, Wildcard, Adblock, Dnsmasq, RPZ, V2fly, UT1}

// ParseFormat reads a format's name; "" and "auto" stand for telling from the content.
func ParseFormat(s string) (Format, error) {
	if s == "" || s == "auto" {
		return "", nil
	}
	for _, f := range formats {
		if string(f) == s {
			return f, nil
		}
	}
	return "", fmt.Errorf("there is no list format %q; choose one of %v", s, formats)
}

// maxIDLen is the longest ID in bytes: it is typed, printed in tables and kept
// with every state.
const maxIDLen = 64

func checkID(id string) error {
	if id == "" || len(id) > maxIDLen {
		return fmt.Errorf("a source's id has 1 to %d bytes, %q has %d", maxIDLen, id, len(id))
	}
	for i := range len(id) {
		if c := id[i]; !isHostByte(c) && c != '.' {
			return fmt.Errorf("a source's id is made of a-z, 0-9, '-', '_' and '.', not of %q as %q is", c, id)
		}
	}
	return nil
}

// sourceID makes an ID from a file's name: ut1/gambling.tar.gz is "gambling",
// gambling/domains is "gambling-domains", ../hosts.txt "hosts".
func sourceID(path string) string {
	base := strings.ToLower(filepath.Base(path))
	for {
		ext := filepath.Ext(base)
		switch ext {
		case ".gz", ".tgz", ".tar", ".txt", ".list", ".conf", ".zone", ".rpz", ".hosts":
			base = strings.TrimSuffix(base, ext)
			continue
		}
		break
	}
	switch base {
	case "domains", "urls", "hosts", "list", "blocklist":
		if folder := strings.ToLower(filepath.Base(filepath.Dir(path))); folder != "." && folder != ".." && folder != "/" {
			base = folder + "-" + base
		}
	}
	id := []byte(base)
	for i, c := range id {
		if !isHostByte(c) && c != '.' {
			id[i] = '-'
		}
	}
	return string(id[:min(len(id), maxIDLen)])
}
