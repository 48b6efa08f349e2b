// Command vm runs Treehouse on a whole router of 64 MB of memory, emulated by
// qemu: a MIPS processor with Debian's 32-bit kernel, the firmware in a squashfs, and
// what the router writes in jffs2, and then once more in UBIFS. `make vm` runs it;
// README.md says what is real about it and what is not.
package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/treehouse-dns/treehouse/store"
)

const (
	cache     = "dist/vm"               // what is fetched and made
	treehouse = "dist/treehouse-mipsle" // `make size`
	native    = "./treehouse"           // `make build`

	// runTime is what the story may take on one file system. A machine that does
	// nothing else needs a fifth of it.
	runTime = 15 * time.Minute
	// stepTime is what one command on the router may take; most take a second.
	stepTime = 40 * time.Second
	// importTime is for the names of the small list, at 8 MiB.
	importTime = 4 * time.Minute
	// cuts is how often the power is cut during a change of the household, each
	// time a little later after the first byte that reaches the flash.
	cuts    = 3
	cutStep = 4 * time.Millisecond
)

// Names that are asked for: in the built-in catalogue, in all lists that are
// fetched, in the small one after its update, in the one that a parent imports, in
// the large one, in its update, in none.
const (
	catalogueName = "pornhub.com"
	smallName     = "small.treehouse-test.net"
	updatedName   = "updated.treehouse-test.net"
	handName      = "hand.treehouse-test.net"
	largeName     = "large.treehouse-test.net"
	largerName    = "larger.treehouse-test.net"
	freeName      = "free.treehouse-test.net"
)

func main() {
	systems := [...]string{"jffs2", "ubifs"}
	figures := ""
	for _, system := range systems {
		if len(os.Args) > 1 && os.Args[1] != system {
			continue
		}
		s := &story{system: system, end: time.Now().Add(runTime)}
		err := s.tell()
		if s.router != nil {
			s.router.cutPower()
		}
		figures += s.figures.String()
		if err != nil {
			fmt.Print(figures)
			fmt.Fprintf(os.Stderr, "vm: %s: %v; what the router said is in %s\n", system, err, s.serialLog())
			os.Exit(1)
		}
	}
	fmt.Print(figures)
}

// story is one run: what happens to one flash chip.
type story struct {
	system  string // of the files that the router writes: jffs2 or ubifs
	end     time.Time
	figures strings.Builder // as "key value" lines
	net     *internet
	parts   parts
	chip    *chip
	router  *machine // the one that is on
	trace   io.Writer
	kids    int           // people whom the router has said are there
	halves  int           // cuts after which an unfinished copy of household.db was there
	answers time.Duration // from power to the first answer, at the last boot
}

func (s *story) tell() error {
	for _, step := range []struct {
		name string
		do   func() error
	}{
		{"make the router", s.make},
		{"boot with an empty flash, and add a family", s.firstBoot},
		{"cut the power during changes of the family", s.cutPowerDuringChanges},
		{"kill the daemon and an import", s.killDuringImport},
		{"import 200,000 names on the router", s.importSmall},
		{"cut the power during an import by hand, and boot without internet", s.cutPowerDuringImport},
		{"update the 200,000 names", s.updateSmall},
		{"import by hand, and boot without internet", s.keepHand},
		{"take a snapshot of 1,000,000 names, and another", s.takeLarge},
		{"cut the power once more, and boot without internet", s.lastBoot},
	} {
		fmt.Fprintf(os.Stderr, "vm: %s: %s\n", s.system, step.name)
		if err := step.do(); err != nil {
			return fmt.Errorf("%s: %w", step.name, err)
		}
		if time.Now().After(s.end) {
			return fmt.Errorf("%s: the run has taken over %v; is this machine busy?", step.name, runTime)
		}
	}
	return nil
}

// figure notes a figure; jffs2's have the plain names.
func (s *story) figure(key string, value any) {
	if s.system != "jffs2" {
		key = s.system + "_" + key
	}
	fmt.Fprintf(&s.figures, "vm64.%s %v\n", key, value)
}

func (s *story) serialLog() string { return filepath.Join(cache, "serial-"+s.system+".log") }

// lists is the folder of blocklists.db on the router: the service script puts it
// in memory where the flash is jffs2.
func (s *story) lists() string {
	if s.system == "jffs2" {
		return "/tmp/treehouse-lists"
	}
	return "/overlay/treehouse"
}

// limit is how long a step may take that may take this long at most.
func (s *story) limit(step time.Duration) time.Duration { return min(step, time.Until(s.end)) }

// on runs a command on the router.
func (s *story) on(command string) (string, error) { return s.router.run(s.limit(stepTime), command) }

// make builds the images, the lists and the internet.
func (s *story) make() error {
	if err := os.MkdirAll(cache, 0o755); err != nil {
		return err
	}
	log, err := os.Create(s.serialLog())
	if err != nil {
		return err
	}
	s.trace = log
	if s.net, err = startInternet(cache); err != nil {
		return err
	}
	for file, names := range map[string][]string{"small": {smallName}, "updated": {smallName, updatedName}} {
		if err := listOf(listFile(file), smallNames, names...); err != nil {
			return err
		}
	}
	for file, names := range map[string][]string{"large": {smallName, largeName}, "larger": {smallName, largeName, largerName}} {
		if err := listOf(listFile(file), largeNames, names...); err != nil {
			return err
		}
		if err := makeFeed(listFile(file), filepath.Join(cache, file+".db")); err != nil {
			return err
		}
	}
	s.net.serve(listFile("small"))
	config := fmt.Sprintf(`# Written by e2e/vm.
storage: {dir: /overlay/treehouse, lists_dir: %[4]s}
dns: {listen: ["0.0.0.0:53"]}
upstream: {servers: ["%[1]s:%[2]d"]}
pages: {listen: []}
devices: {leases: []}
lists:
  memory: 8MiB
  update_every: 0
  sources: [{id: big, url: "http://%[1]s:%[3]d/list.txt", topic: adult, allow_http: true, allow_private: true}]
`, hostAddress, s.net.dnsPort, s.net.listPort, s.lists())
	if s.parts, err = makeParts(cache, treehouse, []byte(config)); err != nil {
		return err
	}
	s.chip, err = newChip(filepath.Join(cache, "chip"), s.system, s.parts)
	return err
}

func listFile(name string) string { return filepath.Join(cache, name+".txt.gz") }

// makeFeed compiles a list as a provider does, and leaves in the file to what a
// router in feed mode holds: the snapshot, and when it was built.
func makeFeed(list, to string) error {
	dir, err := os.MkdirTemp("", "treehouse-vm-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if err := run(native, "lists", "import", "--storage-dir", dir, "--topic", "adult", "--id", "big", list); err != nil {
		return err
	}
	built, err := store.Open(filepath.Join(dir, "blocklists.db"), store.Options{})
	if err != nil {
		return err
	}
	snapshot, err := built.ReadLarge("snapshot")
	if err != nil {
		return err
	}
	if err := os.Remove(to); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	feed, err := store.Open(to, store.Options{})
	if err != nil {
		return err
	}
	var build []byte
	err = built.View(func(tx *store.Tx) error {
		build, err = tx.Bucket("build").Get([]byte("last"))
		return err
	})
	if err != nil {
		return err
	}
	// A router that has compiled lists itself has counted its builds.
	build = bytes.Replace(build, []byte(`"Number":1,`), fmt.Appendf(nil, `"Number":%d,`, time.Now().Unix()), 1)
	return feed.WriteLarge("snapshot", func(w io.Writer) error {
		_, err := w.Write(snapshot)
		return err
	}, func(tx *store.Tx) error { return tx.Bucket("build").Put([]byte("last"), build) })
}

// boot switches the router on and starts the daemon, as procd would.
func (s *story) boot() error {
	port, err := freePort()
	if err != nil {
		return err
	}
	if s.router, err = newMachine(s.parts, s.chip, port, s.trace); err != nil {
		return err
	}
	if err := s.router.send("t='/rom/treehouse --config /rom/treehouse.yaml'"); err != nil {
		return err
	}
	left, err := s.on("ls -A /overlay/treehouse 2>/dev/null || true")
	if err != nil {
		return err
	}
	if strings.Contains(left, ".new-") {
		s.halves++
	}
	if err := s.startDaemon(); err != nil {
		return err
	}
	if err := s.answer(catalogueName, "0.0.0.0"); err != nil {
		return err
	}
	s.answers = time.Since(s.router.started)
	return nil
}

func (s *story) startDaemon() error {
	_, err := s.on("$t serve >>/tmp/serve.log 2>&1 & daemon=$!")
	return err
}

// freePort is one that nobody uses at the moment; qemu cannot say which it chose.
func freePort() (int, error) {
	c, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer c.Close()
	return c.LocalAddr().(*net.UDPAddr).Port, nil
}

// answer asks the router for a name until it has the wanted address.
func (s *story) answer(name, want string) error {
	var got []byte
	for end := time.Now().Add(s.limit(stepTime)); time.Now().Before(end); {
		var err error
		got, err = exec.Command("dig", "@127.0.0.1", "-p", fmt.Sprint(s.router.dnsPort), "+short", "+tries=1", "+time=1", name, "A").Output()
		if err == nil && strings.TrimSpace(string(got)) == want {
			return nil
		}
		time.Sleep(50 * time.Millisecond) // refused at once while nobody listens
	}
	return fmt.Errorf("%s should be %s; the router's last answer: %q", name, want, got)
}

// filters holds that a blocked name is blocked and another is resolved.
func (s *story) filters(blocked string) error {
	return errors.Join(s.answer(blocked, "0.0.0.0"), s.answer(freeName, upstreamAddress()))
}

func (s *story) firstBoot() error {
	if err := s.boot(); err != nil {
		return err
	}
	if _, err := s.on("grep '/overlay " + s.system + "' /proc/mounts && $t people add Ana --age 9 && $t devices add 'the tablet' --address " + hostAddress + " --person Ana"); err != nil {
		return err
	}
	if err := s.filters(catalogueName); err != nil {
		return err
	}
	rss, err := s.daemonRSS()
	s.figure("rss_mib_catalogue", rss)
	return err
}

// daemonRSS is the daemon's resident memory in MiB, the pages of the binary
// that it shares with the cache of the firmware among it.
func (s *story) daemonRSS() (string, error) {
	return s.status("VmRSS")
}

// status is one line of the daemon's state, in MiB, once it has given back what
// it does not need any more.
func (s *story) status(line string) (string, error) {
	said, err := s.on("sleep 1; awk '/^" + line + `/ {printf "%.1f\n", $2/1024}' /proc/$daemon/status`)
	return strings.TrimSpace(said), err
}

// cutPowerDuringChanges adds people one after the other, and cuts the power as
// the flash is being written. Whoever the router has said is there must be.
func (s *story) cutPowerDuringChanges() error {
	for cut := range cuts {
		if err := s.router.send(fmt.Sprintf(`i=%d; while i=$((i+1)) && $t people add kid$i --age 9; do echo "=there $i"; done`, s.kids)); err != nil {
			return err
		}
		for range 2 {
			said, err := s.router.until("=there ", s.limit(stepTime))
			if err != nil {
				return fmt.Errorf("%w: %s", err, strings.Join(said, "\n"))
			}
			s.kids++
		}
		if err := s.chip.waitForWrite(s.limit(stepTime)); err != nil {
			return err
		}
		time.Sleep(time.Duration(cut) * cutStep)
		s.kids += s.router.cutPowerAfter("=there ")
		if err := s.bootAgain(); err != nil {
			return fmt.Errorf("after cut %d: %w", cut+1, err)
		}
	}
	s.figure("power_cuts_survived", cuts)
	if s.system == "jffs2" { // where household.db is written whole, so that a half can be told
		s.figure("power_cuts_in_a_write", s.halves)
	}
	return nil
}

// bootAgain switches the router on, and finds the family as it was last
// acknowledged. A change that was not may have happened or not.
func (s *story) bootAgain() error {
	if err := s.boot(); err != nil {
		return err
	}
	if err := s.filters(catalogueName); err != nil {
		return err
	}
	said, err := s.on("$t people --json; ls /overlay/treehouse; cat /tmp/serve.log >/tmp/was.log")
	if err != nil {
		return err
	}
	if strings.Contains(said, ".bad-") {
		return fmt.Errorf("a file was damaged: %s", said)
	}
	var people []struct{ Name string }
	if err := json.NewDecoder(strings.NewReader(said)).Decode(&people); err != nil {
		return fmt.Errorf("%w in %q", err, said)
	}
	there := map[string]bool{}
	for _, p := range people {
		there[p.Name] = true
	}
	for i := range s.kids {
		if name := fmt.Sprintf("kid%d", i+1); !there[name] {
			return fmt.Errorf("%s was acknowledged, and is lost", name)
		}
	}
	if !there["Ana"] || len(people) > s.kids+2 {
		return fmt.Errorf("%d acknowledged, and there is: %s", s.kids, said)
	}
	s.kids = len(people) - 1 // the one in flight may have come through
	return nil
}

// killDuringImport kills daemon and import at once, as the kernel does when
// memory runs out. The daemon that follows filters, and the next import works.
func (s *story) killDuringImport() error {
	if _, err := s.on("$t lists update >/tmp/import.log 2>&1 & import=$!"); err != nil {
		return err
	}
	_, err := s.on("n=0; while [ ! -s " + s.lists() + "/blocklists.db ] || [ $n -lt 8 ]; do sleep 1; n=$((n+1)); done; kill -9 $import $daemon; wait $import; wait $daemon; ! kill -0 $daemon")
	if err != nil {
		return err
	}
	if err := s.startDaemon(); err != nil {
		return err
	}
	return s.filters(catalogueName)
}

func (s *story) importSmall() error {
	begun := time.Now()
	said, err := s.router.run(s.limit(importTime), "$t lists update --force")
	s.figure("import_200k_s", seconds(time.Since(begun)))
	if err != nil {
		return fmt.Errorf("%w: %s", err, said)
	}
	if err := s.filters(smallName); err != nil {
		return err
	}
	rss, err := s.daemonRSS()
	s.figure("rss_mib_200k", rss)
	return err
}

// hand imports a list of one name, as a parent does.
const handImport = "echo " + handName + " >/tmp/hand.txt; $t lists import --topic adult /tmp/hand.txt"

// cutPowerDuringImport cuts the power as the flash is being written: with UBIFS
// blocklists.db itself, with jffs2 the copy that is kept of it. The lists that
// were in force before are in force again, and the internet is not needed.
func (s *story) cutPowerDuringImport() error {
	if err := s.kept(); err != nil {
		return err
	}
	if err := s.router.send(handImport); err != nil {
		return err
	}
	if err := s.chip.waitForWrite(s.limit(importTime)); err != nil {
		return err
	}
	time.Sleep(cutStep)
	s.router.cutPower()
	return s.bootOffline(smallName)
}

// kept waits until the copy of the lists is written that a reboot needs.
func (s *story) kept() error {
	if s.system != "jffs2" {
		return nil // blocklists.db is on the flash itself
	}
	_, err := s.on("while ! grep 'kept for the next start' /tmp/serve.log; do sleep 1; done; ls -l /overlay/treehouse; >/tmp/serve.log")
	return err
}

// bootOffline switches the router on while nobody answers it, finds names
// blocked that are in no catalogue, and gives the internet back.
func (s *story) bootOffline(names ...string) error {
	s.net.off.Store(true)
	defer s.net.off.Store(false)
	if err := s.boot(); err != nil {
		return err
	}
	for _, name := range names {
		if err := s.answer(name, "0.0.0.0"); err != nil {
			return err
		}
	}
	return nil
}

// updateSmall fetches the list again, which has one name more. After the boot
// without internet its names are not on the router with jffs2, only the snapshot.
func (s *story) updateSmall() error {
	s.net.serve(listFile("updated"))
	begun := time.Now()
	said, err := s.router.run(s.limit(importTime), "$t lists update --force")
	s.figure("update_200k_s", seconds(time.Since(begun)))
	if err != nil {
		return fmt.Errorf("%w: %s", err, said)
	}
	if err := s.filters(updatedName); err != nil {
		return err
	}
	rss, err := s.daemonRSS()
	s.figure("rss_mib_200k_updated", rss)
	return err
}

// keepHand imports a name by hand. It is blocked after a reboot without internet.
func (s *story) keepHand() error {
	if _, err := s.router.run(s.limit(importTime), handImport); err != nil {
		return err
	}
	if err := s.filters(handName); err != nil {
		return err
	}
	if err := s.kept(); err != nil {
		return err
	}
	s.router.cutPower()
	return s.bootOffline(handName, updatedName)
}

// takeLarge puts compiled files in the place of the lists, one after the other,
// as a feed does: the sorting and the names of a million do not fit beside each
// other in the 24 MiB that tmpfs has here.
func (s *story) takeLarge() error {
	begun := time.Now()
	for _, feed := range []struct{ file, name, figure string }{{"large.db", largeName, "1m"}, {"larger.db", largerName, "1m_updated"}} {
		take := fmt.Sprintf("wget -q -O %[3]s/new http://%[1]s:%[2]d/%[4]s && sync && mv %[3]s/new %[3]s/blocklists.db && sync", hostAddress, s.net.listPort, s.lists(), feed.file)
		if _, err := s.router.run(s.limit(importTime), take); err != nil { // UBIFS packs megabytes of it
			return err
		}
		if err := s.filters(feed.name); err != nil {
			return err
		}
		if feed.figure == "1m" {
			s.figure("update_1m_s", seconds(time.Since(begun)))
		}
		if err := s.kept(); err != nil {
			return err
		}
		rss, err := s.daemonRSS()
		s.figure("rss_mib_"+feed.figure, rss)
		if err != nil {
			return err
		}
	}
	peak, err := s.status("VmHWM")
	s.figure("rss_peak_mib", peak)
	if err != nil {
		return err
	}
	free, err := s.on(`awk '/^MemAvailable/ {printf "%.1f\n", $2/1024}' /proc/meminfo`)
	s.figure("available_mib_1m", strings.TrimSpace(free))
	return err
}

func (s *story) lastBoot() error {
	s.router.cutPower()
	if err := s.bootOffline(largerName); err != nil {
		return err
	}
	s.router.cutPower()
	if err := s.bootAgain(); err != nil {
		return err
	}
	s.figure("boot_to_answer_s", seconds(s.answers))
	return nil
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.1f", d.Seconds()) }
