package main

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"fmt"
	"hash/fnv"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/treehouse-dns/treehouse/filter"
)

// topics are the table that every measured trie is built with: the categories
// that large lists have, and services.
var topics = func() []filter.Topic {
	var all []filter.Topic
	for _, id := range []string{"adult", "malware", "phishing", "ads", "tracking", "gambling", "dating", "crypto", "doh", "warez"} {
		all = append(all, filter.Topic{ID: id, Kind: filter.KindCategory, Title: strings.ToUpper(id[:1]) + id[1:]})
	}
	for i := range 60 {
		id := fmt.Sprintf("service-%02d", i)
		all = append(all, filter.Topic{ID: id, Kind: filter.KindService, Group: "social", Title: "Service " + id[8:]})
	}
	return all
}()

const adult = 0

// topicsOf gives a name its topics. Who is in the adult list is taken from that
// list; the rest follows from a hash of the registered domain, so that a
// domain's hosts mostly agree: three in four are malware, phishing and so on in
// falling shares, one in twelve is in a second list as well, one in two hundred
// belongs to a service.
func topicsOf(name filter.Name, isAdult bool) []filter.TopicID {
	domain := name
	for domain.Labels() > 2 {
		domain = domain.Parent()
	}
	h := fnv.New64a()
	h.Write(domain)
	x := h.Sum64()
	x ^= x >> 29 // FNV's low bits alone are poor
	var t []filter.TopicID
	if isAdult {
		t = append(t, adult)
	} else {
		for i, share := range []uint64{55, 75, 87, 94, 97, 98, 99, 100} {
			if x%100 < share {
				t = append(t, filter.TopicID(1+i))
				break
			}
		}
	}
	if x>>16%12 == 0 {
		t = append(t, filter.TopicID(1+x>>24%9))
	}
	if x>>32%200 == 0 {
		t = append(t, filter.TopicID(10+x>>40%60))
	}
	slices.Sort(t)
	return slices.Compact(t)
}

// prepare sorts the names of a scale, with the top sites as witnesses among
// them, into a file that builds read: what blocklists does with sorted runs.
func prepare(args []string) error {
	scale, out := args[0], args[1]
	names, err := readList("scale/domains-" + scale + ".txt.gz")
	if err != nil {
		return err
	}
	inAdult := map[string]bool{}
	adults, err := readList("scale/adult-600k.txt.gz")
	if err != nil {
		return err
	}
	for _, n := range adults {
		inAdult[string(n)] = true
	}
	sites, err := readList("queries/top-sites-65k.txt.gz")
	if err != nil {
		return err
	}
	sets := map[string]bool{}
	var entries []filter.Entry
	for _, n := range names {
		t := topicsOf(n, inAdult[string(n)])
		sets[fmt.Sprint(t)] = true
		for _, id := range t {
			entries = append(entries, filter.Entry{Name: n, Topic: id})
		}
	}
	for _, n := range sites {
		entries = append(entries, filter.Entry{Name: n, Mode: filter.Witness})
	}
	slices.SortStableFunc(entries, func(a, b filter.Entry) int { return a.Name.Compare(b.Name) })
	report("given_names", float64(len(names)))
	report("given_sets", float64(len(sets)))
	return writeEntries(out, entries)
}

// readList reads a list of names, one a line, compressed.
func readList(path string) ([]filter.Name, error) {
	f, err := os.Open(filepath.Join(shared(), "data", path))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	var names []filter.Name
	lines := bufio.NewScanner(z)
	for lines.Scan() {
		n, err := filter.ParseName(lines.Text())
		if err != nil {
			return nil, fmt.Errorf("%s: %q: %w", path, lines.Text(), err)
		}
		names = append(names, n)
	}
	return names, lines.Err()
}

// An entries file is a row of: name's length (1), name, mode (1), topic (1).

func writeEntries(path string, entries []filter.Entry) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	w := bufio.NewWriter(f)
	for _, e := range entries {
		w.WriteByte(byte(len(e.Name)))
		w.Write(e.Name)
		w.WriteByte(byte(e.Mode))
		w.WriteByte(byte(e.Topic))
	}
	return joinClose(w.Flush(), f)
}

func joinClose(err error, c io.Closer) error {
	if closeErr := c.Close(); err == nil {
		err = closeErr
	}
	return err
}

// entriesIn streams an entries file, as often as it is asked to.
func entriesIn(path string) filter.Entries {
	return func(yield func(filter.Entry) bool) error {
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		defer f.Close()
		r := bufio.NewReaderSize(f, 64<<10)
		var buf [256]byte
		for {
			n, err := r.ReadByte()
			if err == io.EOF {
				return nil
			}
			if err != nil {
				return err
			}
			if _, err := io.ReadFull(r, buf[:int(n)+2]); err != nil {
				return err
			}
			e := filter.Entry{Name: filter.Name(buf[:n]), Mode: filter.Mode(buf[n]), Topic: filter.TopicID(buf[int(n)+1])}
			if !yield(e) {
				return nil
			}
		}
	}
}

// namesIn gives the names of an entries file, each once, witnesses left out.
func namesIn(path string) (names []filter.Name, err error) {
	err = entriesIn(path)(func(e filter.Entry) bool {
		if e.Mode != filter.Witness && (len(names) == 0 || !bytes.Equal(names[len(names)-1], e.Name)) {
			names = append(names, bytes.Clone(e.Name))
		}
		return true
	})
	return names, err
}
