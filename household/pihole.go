package household

import (
	"archive/tar"
	"bufio"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"
)

const (
	// maxForeignArchive bounds what is unpacked of another program's archive, in
	// bytes: a gzip bomb ends here.
	maxForeignArchive = 16 << 20
	// maxForeignRows is how many rows of all tables together are read: clients,
	// lists and rules of the largest homes are a few thousand.
	maxForeignRows = 20_000
)

// ErrPiHole6 says that an archive is one of Pi-hole 6, whose clients, groups,
// lists and rules are in gravity.db.
var ErrPiHole6 = errors.New("this is a backup of Pi-hole 6: its clients, groups, lists and rules are inside gravity.db, a SQLite database, which Treehouse does not read; " +
	`write its tables out as JSON with "pihole-FTL sqlite3 -json /etc/pihole/gravity.db 'SELECT * FROM client'" > client.json, ` +
	"the same for adlist, domainlist, \"group\" (with the quotes), client_by_group and domainlist_by_group, and pack them with tar czf")

// ReadPiHole reads the archive that Pi-hole 5 makes under Teleporter, a .tar.gz
// of its tables as JSON. One of Pi-hole 6 is ErrPiHole6. There is nothing in it
// that says whose a client is; the groups it was in are told under Left.
func ReadPiHole(r io.Reader) (*Foreign, error) {
	in := bufio.NewReader(r)
	if head, _ := in.Peek(4); string(head) == "PK\x03\x04" {
		return nil, ErrPiHole6
	}
	const no = "this is no archive of Pi-hole's Teleporter"
	unzipped, err := gzip.NewReader(in)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", no, err)
	}
	left := &io.LimitedReader{R: unzipped, N: maxForeignArchive}
	archive := tar.NewReader(left)
	var p piHole
	for {
		head, err := archive.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err == nil && head.Typeflag == tar.TypeReg {
			err = p.file(path.Base(head.Name), archive)
		}
		if left.N <= 0 {
			return nil, fmt.Errorf("%s: it unpacks to more than %d MiB", no, maxForeignArchive>>20)
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", no, err)
		}
	}
	if !p.known {
		return nil, fmt.Errorf("%s: none of its tables is in it", no)
	}
	return p.foreign(), nil
}

// piHole is the tables of Pi-hole that are about a family.
type piHole struct {
	clients []piHoleClient
	domains []piHoleDomain
	lists   []piHoleList
	groups  map[int]piHoleGroup
	client  map[int][]int // groups by the client's id
	domain  map[int][]int // groups by the domain's id
	hosts   []string      // lines of custom.list
	rows    int
	known   bool // a table was there
}

// everyone is the group that every client of Pi-hole is in, unless it was taken
// out.
const everyone = 0

type piHoleClient struct {
	ID      int    `json:"id"`
	IP      string `json:"ip"` // an address, MAC, network, host name or interface
	Comment string `json:"comment"`
}

type piHoleGroup struct {
	ID      int    `json:"id"`
	Enabled int    `json:"enabled"`
	Name    string `json:"name"`
}

type piHoleList struct {
	Address string `json:"address"`
	Enabled int    `json:"enabled"`
	Comment string `json:"comment"`
	Type    int    `json:"type"` // 1: an allowlist; Pi-hole 5 has none
}

type piHoleDomain struct {
	ID      int        `json:"id"`
	Type    piHoleType `json:"type"`
	Domain  string     `json:"domain"`
	Enabled int        `json:"enabled"`
}

// piHoleType is what a row of the table domainlist does.
type piHoleType int

const (
	piHoleAllow piHoleType = iota
	piHoleBlock
	piHoleAllowRegex
	piHoleBlockRegex
)

// file reads one file of the archive.
func (p *piHole) file(name string, r io.Reader) error {
	read := func(err error) error {
		p.known = true
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		return nil
	}
	domains := func(fixed piHoleType, isFixed bool) error {
		return read(rows(p, r, func(d piHoleDomain) {
			if isFixed {
				d.Type = fixed
			}
			p.domains = append(p.domains, d)
		}))
	}
	link := func(into *map[int][]int, of string) error {
		*into = map[int][]int{}
		return read(rows(p, r, func(row map[string]any) {
			id, okID := row[of].(float64)
			group, okGroup := row["group_id"].(float64)
			if okID && okGroup {
				(*into)[int(id)] = append((*into)[int(id)], int(group))
			}
		}))
	}
	switch name {
	case "client.json":
		return read(rows(p, r, func(c piHoleClient) { p.clients = append(p.clients, c) }))
	case "group.json":
		p.groups = map[int]piHoleGroup{}
		return read(rows(p, r, func(g piHoleGroup) { p.groups[g.ID] = g }))
	case "adlist.json":
		return read(rows(p, r, func(l piHoleList) { p.lists = append(p.lists, l) }))
	case "domainlist.json":
		return domains(0, false)
	case "whitelist.exact.json":
		return domains(piHoleAllow, true)
	case "blacklist.exact.json":
		return domains(piHoleBlock, true)
	case "whitelist.regex.json":
		return domains(piHoleAllowRegex, true)
	case "blacklist.regex.json":
		return domains(piHoleBlockRegex, true)
	case "client_by_group.json":
		return link(&p.client, "client_id")
	case "domainlist_by_group.json":
		return link(&p.domain, "domainlist_id")
	case "custom.list":
		text, err := io.ReadAll(io.LimitReader(r, maxForeignConfig))
		for line := range strings.Lines(string(text)) {
			if line = strings.TrimSpace(line); line != "" && line[0] != '#' && p.rows < maxForeignRows {
				p.rows++
				p.hosts = append(p.hosts, line)
			}
		}
		return err
	}
	return nil
}

// rows reads a table, an array of objects, row by row.
func rows[T any](p *piHole, r io.Reader, add func(T)) error {
	d := json.NewDecoder(r)
	if t, err := d.Token(); err != nil || t != json.Delim('[') {
		return errors.Join(errors.New("it is no table, which would begin with ["), err)
	}
	for d.More() {
		if p.rows++; p.rows > maxForeignRows {
			return fmt.Errorf("there are more than %d rows", maxForeignRows)
		}
		var row T
		if err := d.Decode(&row); err != nil {
			return err
		}
		add(row)
	}
	_, err := d.Token()
	return err
}

// foreign is what the tables say, in our words.
func (p *piHole) foreign() *Foreign {
	f := &Foreign{}
	for _, c := range p.clients {
		client := ForeignClient{Name: CleanName(c.Comment)}
		if client.Name == "" {
			client.Name = CleanName(c.IP)
		}
		if !client.identify(c.IP) {
			f.left("%s is known as %q there, which is neither an address nor a MAC of one device", client.Name, c.IP)
			continue
		}
		f.Clients = append(f.Clients, client)
		for _, id := range p.client[c.ID] {
			if g := p.groups[id]; id != everyone && g.Enabled != 0 {
				f.left("%s is in the group %q there; say whose it is", client.Name, g.Name)
			}
		}
	}
	for _, l := range p.lists {
		f.list(adGuardFilter{Enabled: l.Enabled != 0, URL: l.Address, Name: l.Comment}, l.Type == 1)
	}
	for _, d := range p.domains {
		if d.Enabled != 0 {
			p.rule(f, d)
		}
	}
	for _, line := range p.hosts {
		f.left("the local name %q is not taken; write it into the router's hosts file", line)
	}
	return f
}

// rule reads a row of domainlist. A rule about a name is one about everything
// below it here, which is how Pi-hole's own wildcards are meant too.
func (p *piHole) rule(f *Foreign, d piHoleDomain) {
	domain, isSite := d.Domain, true
	if d.Type == piHoleAllowRegex || d.Type == piHoleBlockRegex {
		domain, isSite = wildcard(d.Domain)
	}
	name, err := Site(domain)
	switch {
	case !isSite || err != nil || strings.ContainsAny(domain, "/:?#"):
		f.left("the rule %q is more than a site", d.Domain)
	case !p.isForEveryone(d.ID):
		f.left("the rule about %q is for some groups only there; give it to a person", name)
	case d.Type == piHoleAllow || d.Type == piHoleAllowRegex:
		f.Allow = append(f.Allow, name)
	case d.Type == piHoleBlock || d.Type == piHoleBlockRegex:
		f.Block = append(f.Block, name)
	}
}

// isForEveryone tells whether a rule is in the group that all clients are in.
// Where the archive does not say, it is.
func (p *piHole) isForEveryone(domain int) bool {
	groups, linked := p.domain[domain]
	if !linked {
		return true
	}
	for _, id := range groups {
		if id == everyone {
			return true
		}
	}
	return false
}

// wildcard reads the regular expression that Pi-hole writes for "and everything
// below": (\.|^)example\.com$.
func wildcard(expression string) (site string, ok bool) {
	body, begins := strings.CutPrefix(expression, `(\.|^)`)
	if !begins {
		body, begins = strings.CutPrefix(expression, `(^|\.)`)
	}
	body, ends := strings.CutSuffix(body, "$")
	site = strings.ReplaceAll(body, `\.`, ".")
	return site, begins && ends && !strings.ContainsAny(site, `\*+?[](){}|^$`) && strings.Count(body, ".") == strings.Count(body, `\.`)
}
