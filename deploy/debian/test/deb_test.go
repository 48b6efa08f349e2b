// Package debian holds the test of the .deb: installed by dpkg in a root of its
// own, started as its unit would, asked, removed without a trace.
package debian

import (
	"bytes"
	"io/fs"
	"maps"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

const unit = "../../systemd/treehouse.service"

// root is an empty machine: a shell for the package's scripts, and dpkg's own
// folder.
func root(t *testing.T) string {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("installing in a root of its own takes root")
	}
	for _, tool := range []string{"dpkg", "busybox", "make"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("%s is not installed", tool)
		}
	}
	root := t.TempDir()
	for _, dir := range []string{"bin", "var/lib/dpkg/info", "var/lib/dpkg/updates", "run", "etc", "tmp"} {
		if err := os.MkdirAll(filepath.Join(root, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	run(t, "touch", root+"/var/lib/dpkg/status")
	run(t, "sh", "-c", `cp "$(command -v busybox)" "$1/bin/busybox" && ln -s busybox "$1/bin/sh" && ln -s busybox "$1/bin/rm"`, "sh", root)
	return root
}

func run(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}

// files lists everything in a root that is not dpkg's own memory.
func files(t *testing.T, root string) map[string]bool {
	t.Helper()
	out := map[string]bool{}
	err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		relative, _ := filepath.Rel(root, name)
		if strings.HasPrefix(relative, "var/lib/dpkg") || strings.HasPrefix(relative, "var/log") {
			return nil
		}
		out[relative] = true
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// setting reads a line of the unit.
func setting(t *testing.T, key string) string {
	t.Helper()
	text, err := os.ReadFile(unit)
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile(`(?m)^` + key + `=(.*)$`).FindSubmatch(text)
	if m == nil {
		t.Fatalf("the unit has no %s", key)
	}
	return string(m[1])
}

func TestInstallStartAskRemove(t *testing.T) {
	root := root(t)
	before := files(t, root)
	dir := t.TempDir()
	run(t, "make", "-C", "..", "OUT="+dir, "TARGETS="+runtime.GOARCH+"/"+runtime.GOARCH)
	deb, err := filepath.Glob(dir + "/*.deb")
	if err != nil || len(deb) != 1 {
		t.Fatalf("made %v (%v)", deb, err)
	}
	checkManual(t, dir)
	// The dependencies of a real machine are not in this root.
	dpkg := func(args ...string) string {
		t.Helper()
		return run(t, "dpkg", append([]string{"--root=" + root, "--log=/dev/null", "--force-depends,not-root,bad-path"}, args...)...)
	}
	dpkg("--install", deb[0])
	if out := dpkg("--verify", "treehouse"); out != "" {
		t.Errorf("dpkg finds changed\n%s", out)
	}
	for _, f := range []string{"usr/lib/systemd/system/treehouse.service", "etc/treehouse/treehouse.yaml", "usr/share/doc/treehouse/copyright", "usr/share/doc/treehouse/sbom.cdx.json", "usr/share/man/man1/treehouse.1.gz", "usr/share/bash-completion/completions/treehouse"} {
		if !files(t, root)[f] {
			t.Errorf("%s is not installed", f)
		}
	}

	// As the unit would start it: its command, in this root, as a user of no name,
	// in the folders that systemd would make.
	command := strings.Fields(setting(t, "ExecStart"))
	const user = 61184 // the first of those that DynamicUser= takes
	for _, dir := range []string{"var/lib/" + setting(t, "StateDirectory"), "run/" + setting(t, "RuntimeDirectory")} {
		if err := os.Mkdir(filepath.Join(root, dir), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.Chown(filepath.Join(root, dir), user, user); err != nil {
			t.Fatal(err)
		}
	}
	attributes := &syscall.SysProcAttr{Chroot: root, Credential: &syscall.Credential{Uid: user, Gid: user}}
	check := exec.Command(command[0], "config", "check", "--config", command[3])
	check.SysProcAttr, check.Dir = attributes, "/"
	check.Path = command[0] // in the root, where it cannot be looked up from here
	check.Err = nil
	if out, err := check.CombinedOutput(); err != nil {
		t.Fatalf("the configuration in the package: %v\n%s", err, out)
	}

	port := freePort(t)
	daemon := exec.Command(command[0], command[1:]...)
	daemon.Path, daemon.Err = command[0], nil
	daemon.SysProcAttr, daemon.Dir = attributes, "/"
	systemd := notifySocket(t, filepath.Join(root, "run/notify"))
	daemon.Env = []string{
		"TREEHOUSE_DNS_LISTEN=" + port, // the package's own may be taken on this machine
		"TREEHOUSE_PAGES_LISTEN=",
		"NOTIFY_SOCKET=/run/notify", "WATCHDOG_USEC=200000",
	}
	var log bytes.Buffer
	daemon.Stdout, daemon.Stderr = &log, &log
	if err := daemon.Start(); err != nil {
		t.Fatal(err)
	}
	stopped := make(chan error, 1)
	go func() { stopped <- daemon.Wait() }()
	t.Cleanup(func() { daemon.Process.Kill() })
	if !answers(port) {
		daemon.Process.Kill()
		<-stopped
		t.Fatalf("it does not answer on %s; it says\n%s", port, log.String())
	}
	for _, word := range []string{"READY=1", "WATCHDOG=1", "WATCHDOG=1"} {
		if !heard(systemd, word) {
			t.Errorf("systemd is not told %s", word)
		}
	}
	daemon.Process.Signal(syscall.SIGTERM)
	if !heard(systemd, "STOPPING=1") {
		t.Error("systemd is not told that it stops")
	}
	select {
	case err := <-stopped:
		if err != nil {
			t.Errorf("told to stop, it ends with %v and says\n%s", err, log.String())
		}
	case <-time.After(15 * time.Second): // TimeoutStopSec
		t.Error("told to stop, it goes on")
	}

	dpkg("--remove", "treehouse")
	if !files(t, root)["etc/treehouse/treehouse.yaml"] || !files(t, root)["var/lib/treehouse/household.db"] {
		t.Errorf("removing takes what is the family's: %v", slices.Sorted(maps.Keys(files(t, root))))
	}
	dpkg("--purge", "treehouse")
	after := files(t, root)
	// What systemd makes, systemd takes away.
	maps.DeleteFunc(after, func(name string, _ bool) bool { return before[name] || strings.HasPrefix(name, "run/") })
	delete(after, "var/lib")
	if len(after) > 0 {
		t.Errorf("purged, it leaves %v", slices.Sorted(maps.Keys(after)))
	}
}

// notifySocket is where systemd hears how the daemon is (sd_notify(3)).
func notifySocket(t *testing.T, path string) *net.UnixConn {
	t.Helper()
	c, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err == nil {
		err = os.Chmod(path, 0o777)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// heard waits for a word on the socket.
func heard(c *net.UnixConn, word string) bool {
	c.SetReadDeadline(time.Now().Add(20 * time.Second))
	for buf := make([]byte, 512); ; {
		n, err := c.Read(buf)
		if err != nil {
			return false
		}
		if strings.Contains(string(buf[:n]), word) {
			return true
		}
	}
}

// freePort is an address that nobody listens on.
func freePort(t *testing.T) string {
	t.Helper()
	c, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	return c.LocalAddr().String()
}

// answers asks for a name of our own until there is an answer.
func answers(address string) bool {
	const ours = "\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x09treehouse\x04home\x04arpa\x00\x00\x01\x00\x01"
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		c, err := net.Dial("udp", address)
		if err != nil {
			continue
		}
		c.SetDeadline(time.Now().Add(time.Second))
		reply := make([]byte, 512)
		c.Write([]byte(ours))
		n, err := c.Read(reply)
		c.Close()
		if err == nil && n > 12 && reply[0] == 0x12 && reply[1] == 0x34 {
			return true
		}
	}
	return false
}

// checkManual wants the manual to name every command that there is.
func checkManual(t *testing.T, dir string) {
	t.Helper()
	manual, err := os.ReadFile(dir + "/.build/treehouse.1")
	if err != nil {
		t.Fatal(err)
	}
	help := run(t, dir+"/.build/treehouse", "--help")
	commands := regexp.MustCompile(`(?m)^  ([a-z-]+) +[A-Z]`).FindAllStringSubmatch(help, -1)
	if len(commands) < 10 {
		t.Fatalf("only %v in\n%s", commands, help)
	}
	for _, c := range commands {
		if !strings.Contains(string(manual), "\n.B "+c[1]+"\n") {
			t.Errorf("the manual has nothing about %s", c[1])
		}
	}
	if _, err := exec.LookPath("man"); err == nil {
		cmd := exec.Command("man", "--warnings", "-E", "UTF-8", "-l", dir+"/.build/treehouse.1")
		cmd.Env = append(os.Environ(), "MANROFFSEQ=", "MANWIDTH=100")
		var complaints bytes.Buffer
		cmd.Stderr = &complaints
		if err := cmd.Run(); err != nil || complaints.Len() > 0 {
			t.Errorf("man: %v\n%s", err, complaints.String())
		}
	}
}

// The unit is one that systemd takes, and as tight as it was.
func TestUnit(t *testing.T) {
	if _, err := exec.LookPath("systemd-analyze"); err != nil {
		t.Skip("systemd is not installed")
	}
	// verify wants the command to be there; its other complaints are errors.
	out, _ := exec.Command("systemd-analyze", "verify", unit).CombinedOutput()
	for line := range strings.Lines(string(out)) {
		if strings.Contains(line, "treehouse.service") && !strings.Contains(line, "is not executable") {
			t.Error(line)
		}
	}
	// The scale goes from 0 to 10; the unit has 1.8, a plain one 9.6.
	if out, err := exec.Command("systemd-analyze", "security", "--offline=true", "--threshold=20", unit).CombinedOutput(); err != nil {
		t.Errorf("the unit has become more exposed:\n%s", out)
	}
	for key, want := range map[string]string{"Type": "notify", "WatchdogSec": "30", "DynamicUser": "yes", "AmbientCapabilities": "CAP_NET_BIND_SERVICE CAP_NET_ADMIN", "Restart": "always", "StartLimitIntervalSec": "0"} {
		if got := setting(t, key); got != want {
			t.Errorf("%s is %s, want %s", key, got, want)
		}
	}
}
