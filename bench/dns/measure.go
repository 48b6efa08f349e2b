package main

import (
	"encoding/binary"
	"fmt"
	"net"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	// paced is how many questions a second are asked where latency is taken:
	// far below what any of the servers can do, so that queues tell nothing.
	paced = 2000
	// pacedTime is for how long.
	pacedTime = 2 * time.Second
)

// measure has dnsperf ask one kind of name as fast as the server answers, and
// then a slow client take latencies.
func (b *bench) measure(s *server, kind string, round int) (sample, error) {
	file := b.path("ask-" + kind + ".txt")
	if kind == "miss" {
		file = b.path(fmt.Sprintf("ask-miss-treehouse-%d.txt", round))
	}
	if kind == "cached" { // once round to fill the cache
		if _, err := dnsperf(s.port, file, "-n", "1", "-Q", "20000"); err != nil {
			return sample{}, err
		}
	}
	before := s.cpu()
	out, err := dnsperf(s.port, file, "-l", strconv.FormatFloat(b.each.Seconds(), 'f', 1, 64))
	if err != nil {
		return sample{}, err
	}
	used := s.cpu() - before
	got := sample{qps: number(out, `Queries per second:\s+([\d.]+)`)}
	sent, done := number(out, `Queries sent:\s+(\d+)`), number(out, `Queries completed:\s+(\d+)`)
	if done == 0 {
		return sample{}, fmt.Errorf("nothing was answered:\n%s", out)
	}
	got.cpu, got.lost = used.Seconds()*1e6/done, (sent-done)/sent
	if kind != "miss" {
		got.p50, got.p99 = latency(s.port, file)
	} else {
		got.p50, got.p99 = latency(s.port, b.path(fmt.Sprintf("ask-miss-treehouse-%d.txt", b.rounds)), round)
	}
	return got, nil
}

func dnsperf(port int, file string, more ...string) (string, error) {
	args := append([]string{"-c", clientCore, "dnsperf", "-s", "127.0.0.1", "-p", strconv.Itoa(port), "-d", file, "-c", "8", "-q", "100", "-e"}, more...)
	out, err := exec.Command("taskset", args...).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("dnsperf: %w\n%s", err, out)
	}
	return string(out), nil
}

func number(text, pattern string) float64 {
	m := regexp.MustCompile(pattern).FindStringSubmatch(text)
	if m == nil {
		return 0
	}
	v, _ := strconv.ParseFloat(m[1], 64)
	return v
}

// latency asks at an even pace and gives the median and the 99th percentile.
// skip leaves out what an earlier round asked.
func latency(port int, file string, skip ...int) (p50, p99 time.Duration) {
	text, err := os.ReadFile(file)
	if err != nil {
		return 0, 0
	}
	lines := strings.Split(string(text), "\n")
	count := int(pacedTime.Seconds() * paced)
	if len(skip) > 0 {
		lines = lines[skip[0]*count:]
	}
	conn, err := net.Dial("udp4", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		return 0, 0
	}
	defer conn.Close()
	sent := make([]time.Time, count)
	took := make([]time.Duration, 0, count)
	done := make(chan struct{})
	go func() {
		defer close(done)
		buf := make([]byte, 4096)
		for len(took) < count {
			conn.SetReadDeadline(time.Now().Add(3 * time.Second))
			n, err := conn.Read(buf)
			if err != nil {
				return
			}
			if id := int(binary.BigEndian.Uint16(buf)); n > 12 && id < count {
				took = append(took, time.Since(sent[id]))
			}
		}
	}()
	next := time.Now()
	for i := range count {
		name, _, _ := strings.Cut(lines[i%(len(lines)-1)], " ")
		p := question(name)
		binary.BigEndian.PutUint16(p, uint16(i))
		if d := time.Until(next); d > 0 {
			time.Sleep(d)
		}
		next = next.Add(time.Second / paced)
		sent[i] = time.Now()
		conn.Write(p)
	}
	<-done
	if len(took) == 0 {
		return 0, 0
	}
	slices.Sort(took)
	return took[len(took)/2], took[len(took)*99/100]
}

// question is a query for a name's address, with EDNS.
func question(name string) []byte {
	p := []byte{0, 0, 1, 0, 0, 1, 0, 0, 0, 0, 0, 1}
	for label := range strings.SplitSeq(strings.TrimSuffix(name, "."), ".") {
		p = append(append(p, byte(len(label))), label...)
	}
	return append(p, 0, 0, 1, 0, 1, 0, 0, 41, 4, 208, 0, 0, 0, 0, 0, 0)
}

// ask asks once.
func ask(port int, name string, patience time.Duration) ([]byte, error) {
	conn, err := net.Dial("udp4", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(patience))
	if _, err := conn.Write(question(name)); err != nil {
		return nil, err
	}
	buf := make([]byte, 4096)
	n, err := conn.Read(buf)
	return buf[:n], err
}

// cpu is the processor time the server has taken, in user and system mode.
func (s *server) cpu() time.Duration {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", s.cmd.Process.Pid))
	if err != nil {
		return 0
	}
	text := string(stat)
	fields := strings.Fields(text[strings.LastIndexByte(text, ')')+1:])
	user, _ := strconv.Atoi(fields[11])
	system, _ := strconv.Atoi(fields[12])
	const tick = 10 * time.Millisecond // USER_HZ is 100 on every Linux
	return time.Duration(user+system) * tick
}

// anonymous is the memory that the server alone holds, in MiB.
func (s *server) anonymous() float64 {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.cmd.Process.Pid))
	if err != nil {
		return 0
	}
	return number(string(status), `RssAnon:\s+(\d+) kB`) / 1024
}
