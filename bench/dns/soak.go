package main

import (
	"fmt"
	"os/exec"
	"strconv"
	"time"
)

const (
	// soakRate is how many questions a second a soak asks: a busy school, not
	// the most that can be done.
	soakRate = 4000
	// soakSettles is when memory has reached what it will stay at.
	soakSettles = 90 * time.Second
)

// soak asks a mixture for a long time and watches the memory: a third blocked,
// a third cached, a third never asked before.
func (b *bench) soak(s *server, long time.Duration) error {
	mix := newFile(b.dir, "ask-soak.txt")
	count := int(long.Seconds()) * soakRate
	for i := range count {
		switch i % 3 {
		case 0:
			fmt.Fprintf(mix, "www.%s A\n", blockedName(i%b.names))
		case 1:
			fmt.Fprintf(mix, "www.site%d.example A\n", i*7%5000)
		default:
			fmt.Fprintf(mix, "s%x.soak%d.example %s\n", i, i%977, [...]string{"A", "AAAA", "HTTPS"}[i%9/3])
		}
	}
	if err := mix.close(); err != nil {
		return err
	}
	cmd := exec.Command("taskset", "-c", clientCore, "dnsperf", "-s", "127.0.0.1", "-p", strconv.Itoa(s.port), "-d", b.path("ask-soak.txt"),
		"-c", "8", "-q", "200", "-Q", strconv.Itoa(soakRate), "-l", strconv.Itoa(int(long.Seconds())))
	began, before := time.Now(), s.cpu()
	done := make(chan error, 1)
	var out []byte
	go func() {
		var err error
		out, err = cmd.CombinedOutput()
		done <- err
	}()
	settled, most := 0.0, 0.0
	tick := time.NewTicker(10 * time.Second)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			now := s.anonymous()
			if time.Since(began) > soakSettles {
				if settled == 0 {
					settled = now
				}
				most = max(most, now)
			}
			if int(time.Since(began).Seconds())%60 < 10 {
				fmt.Printf("# soak %3.0f s: %.1f MiB anonymous\n", time.Since(began).Seconds(), now)
			}
			continue
		case err := <-done:
			if err != nil {
				return fmt.Errorf("dnsperf: %w\n%s", err, out)
			}
		}
		break
	}
	sent, completed := number(string(out), `Queries sent:\s+(\d+)`), number(string(out), `Queries completed:\s+(\d+)`)
	fmt.Printf("soak.seconds %.0f\nsoak.queries %.0f\nsoak.lost %.0f\nsoak.cpu_us %.2f\nsoak.mib_settled %.1f\nsoak.mib_most %.1f\nsoak.mib_end %.1f\n",
		time.Since(began).Seconds(), sent, sent-completed, (s.cpu()-before).Seconds()*1e6/completed, settled, most, s.anonymous())
	return nil
}
