package main

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
)

// The sizes of the two lists, in names.
const (
	smallNames = 200_000
	largeNames = 1_000_000
)

// internet is what the router can reach, all on this machine's loopback: a
// server of lists and a resolver. The router sees it at hostAddress.
type internet struct {
	list     atomic.Pointer[string] // the file served as /list.txt
	off      atomic.Bool            // nobody answers
	listPort int
	dnsPort  int
}

// hostAddress is this machine as qemu's user-mode network shows it to the router.
const hostAddress = "10.0.2.2"

// upstreamAnswer is the address every name has, for the resolver.
var upstreamAnswer = [4]byte{192, 0, 2, 7}

func upstreamAddress() string { return netip.AddrFrom4(upstreamAnswer).String() }

func startInternet(dir string) (*internet, error) {
	web, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	dns, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	n := &internet{listPort: web.Addr().(*net.TCPAddr).Port, dnsPort: dns.LocalAddr().(*net.UDPAddr).Port}
	mux := http.NewServeMux()
	mux.HandleFunc("/list.txt", func(w http.ResponseWriter, r *http.Request) { http.ServeFile(w, r, *n.list.Load()) })
	mux.Handle("/", http.FileServer(http.Dir(dir)))
	go http.Serve(web, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if n.off.Load() {
			panic(http.ErrAbortHandler) // which closes the connection without an answer
		}
		mux.ServeHTTP(w, r)
	}))
	go n.answerEverything(dns)
	return n, nil
}

func (n *internet) serve(list string) { n.list.Store(&list) }

// answerEverything is a resolver for which every name has upstreamAnswer.
func (n *internet) answerEverything(dns net.PacketConn) {
	buf := make([]byte, 1500)
	for {
		size, from, err := dns.ReadFrom(buf)
		if err != nil {
			return
		}
		end := 12 // the header, RFC 1035 section 4.1.1
		for end < size && buf[end] != 0 {
			end += 1 + int(buf[end])
		}
		if end += 5; end > size || n.off.Load() { // the root label, type and class
			continue
		}
		question := bytes.Clone(buf[:end])
		answers := byte(0)
		if question[end-3] == 1 { // A
			answers = 1
		}
		// QR, RD, RA; one question, answers, nothing else.
		copy(question[2:12], []byte{0x81, 0x80, 0, 1, 0, answers, 0, 0, 0, 0})
		if answers == 1 {
			question = append(question, 0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4)
			question = append(question, upstreamAnswer[:]...)
		}
		dns.WriteTo(question, from)
	}
}

// listOf writes a list of the given number of names to path, gzipped as list
// servers send it, with markers at its end. The names are real ones where
// ../shared has them, else made up, the same ones each time.
func listOf(path string, names int, markers ...string) error {
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	defer file.Close()
	zip := gzip.NewWriter(file)
	out := bufio.NewWriter(zip)
	next, err := nameSource()
	if err != nil {
		return err
	}
	for i := range largeNames {
		name := next()
		if i%(largeNames/names) == 0 && i > 0 {
			fmt.Fprintln(out, name)
		}
	}
	for _, name := range markers {
		fmt.Fprintln(out, name)
	}
	if err := out.Flush(); err != nil {
		return err
	}
	return zip.Close()
}

// nameSource gives largeNames names.
func nameSource() (next func() string, err error) {
	shared := os.Getenv("TREEHOUSE_SHARED")
	if shared == "" {
		shared = "../shared"
	}
	if file, err := os.Open(filepath.Join(shared, "data/scale/domains-1m.txt.gz")); err == nil {
		unzip, err := gzip.NewReader(file)
		if err != nil {
			return nil, err
		}
		lines := bufio.NewScanner(unzip)
		return func() string { lines.Scan(); return lines.Text() }, nil
	}
	return syntheticName(), nil
}

// syntheticName makes up names that are as long as real ones and have as many
// labels: of 1,000,000 real ones the mean is 19 bytes and 2.6 labels.
func syntheticName() func() string {
	syllables := strings.Fields("ba be bi bo ca co da de di do fa fi ga go ka ki la li lo ma me mi mo na ne ni no pa pe po ra re ri ro sa se si so ta te ti to va ve vi xa za")
	suffixes := strings.Fields("com com com com net org info xyz ru de top site co.uk com.br online")
	random := rand.New(rand.NewPCG(1, 2))
	label := func(out io.Writer, syllablesIn int) {
		for range syllablesIn {
			io.WriteString(out, syllables[random.IntN(len(syllables))])
		}
	}
	return func() string {
		var b strings.Builder
		if random.IntN(3) == 0 {
			label(&b, 1+random.IntN(3))
			b.WriteByte('.')
		}
		label(&b, 5+random.IntN(4))
		b.WriteByte('.')
		b.WriteString(suffixes[random.IntN(len(suffixes))])
		return b.String()
	}
}
