// Package openwrt holds the tests of what is installed on a router: the service
// script and its dealings with dnsmasq, run by the router's own shell (busybox
// ash) in a root of its own, and the packages.
package openwrt

import (
	"debug/elf"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// TestMain lets the test binary be the commands that scripts call.
func TestMain(m *testing.M) {
	switch filepath.Base(os.Args[0]) {
	case "uci":
		if err := uci(os.Args[1:], os.Stdout); err != nil {
			if !slices.Contains(os.Args, "-q") {
				fmt.Fprintln(os.Stderr, err)
			}
			os.Exit(1)
		}
		os.Exit(0)
	case "logger", "nft", "pgrep":
		f, err := os.OpenFile("/tmp/procd", os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
		if err == nil {
			_, err = fmt.Fprintln(f, filepath.Base(os.Args[0]), strings.Join(os.Args[1:], " "))
		}
		if err != nil || filepath.Base(os.Args[0]) == "pgrep" { // which finds no daemon: it has gone
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// dhcp is a router's file as people have them: an odd mixture, with what we
// change set before, not set, and set in another kind.
const dhcp = `
config dnsmasq
	option domainneeded '1'
	option server '/corp.example/10.0.0.1'
	option noresolv '0'
	option localservice '1'
	list rebind_domain 'plex.direct'
	option domain 'home'

config dhcp 'lan'
	option interface 'lan'
	option start '100'

config dnsmasq 'guest'
	list server '9.9.9.9'
	list server '/*.lab.example/10.0.0.2'
	list server '/#/1.1.1.1'
	option allservers '1'
	list dhcp_option '3,192.168.7.1'
`

// What /proc/mounts says on routers with NOR and with NAND flash, and on one with
// NOR flash at its first boot, before the flash has been formatted.
const (
	mountsNOR = "/dev/root /rom squashfs ro,relatime,errors=continue 0 0\nproc /proc proc rw 0 0\ntmpfs /tmp tmpfs rw,nosuid,nodev,noatime 0 0\n" +
		"/dev/mtdblock6 /overlay jffs2 rw,noatime 0 0\noverlayfs:/overlay / overlay rw,noatime,lowerdir=/,upperdir=/overlay/upper,workdir=/overlay/work 0 0\n"
	mountsNAND = "/dev/root /rom squashfs ro,relatime 0 0\ntmpfs /tmp tmpfs rw,nosuid,nodev,noatime 0 0\n" +
		"/dev/ubi0_1 /overlay ubifs rw,noatime,ubi=0,vol=1 0 0\noverlayfs:/overlay / overlay rw,noatime,lowerdir=/,upperdir=/overlay/upper,workdir=/overlay/work 0 0\n"
	mountsFirst = "/dev/root /rom squashfs ro,relatime 0 0\ntmpfs /tmp tmpfs rw,nosuid,nodev,noatime 0 0\ntmpfs /tmp/root tmpfs rw,noatime,mode=755 0 0\n" +
		"overlayfs:/tmp/root / overlay rw,noatime,lowerdir=/,upperdir=/tmp/root/upper,workdir=/tmp/root/work 0 0\n"
)

// uid is the user's that the daemon runs as, as the package makes it.
const uid = 653

// router is a root that scripts are run in.
type router struct {
	t    *testing.T
	root string
}

// newRouter makes a router with the package's files and nothing done yet.
func newRouter(t *testing.T) *router {
	t.Helper()
	r := newSystem(t)
	r.must(os.CopyFS(r.root, os.DirFS("../files")))
	return r
}

// newSystem makes a router without our package: a shell, the stand-ins for the
// system's functions, and its files.
func newSystem(t *testing.T) *router {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("running scripts in a root of their own takes root")
	}
	busybox, err := exec.LookPath("busybox")
	if err != nil {
		t.Skip("busybox is not installed (apt-get install busybox-static)")
	}
	r := &router{t, t.TempDir()}
	for _, dir := range []string{"bin", "tmp", "proc", "usr/sbin", "etc/config", "tmp/resolv.conf.d", "var/run"} {
		r.must(os.MkdirAll(r.path(dir), 0o755))
	}
	r.must(os.CopyFS(r.root, os.DirFS("root")))
	r.copy(busybox, "bin/busybox")
	r.must(os.Symlink("busybox", r.path("bin/sh")))
	for _, tool := range strings.Fields("sed awk cat rm mv mkdir chmod chown sleep tr ls du grep") {
		r.must(os.Symlink("busybox", r.path("bin/"+tool)))
	}
	self, err := commands()
	r.must(err)
	r.copy(self, "bin/uci")
	for _, tool := range []string{"logger", "nft", "pgrep"} {
		r.must(os.Symlink("uci", r.path("bin/"+tool)))
	}
	r.must(os.MkdirAll(r.path("dev"), 0o755))
	r.write("dev/null", "") // a plain file does, where no device can be made
	r.write("etc/passwd", fmt.Sprintf("treehouse:x:%d:%[1]d::/:/bin/false\n", uid))
	r.write("etc/group", fmt.Sprintf("treehouse:x:%d:\n", uid))
	r.write("etc/config/dhcp", dhcp)
	r.write("etc/config/system", "\nconfig system\n\toption timezone 'EST5EDT,M3.2.0,M11.1.0'\n\toption zonename 'America/New York'\n")
	r.write("proc/meminfo", "MemTotal:          55928 kB\nMemFree: 1 kB\n")
	r.write("etc/config/network", "\nconfig interface 'lan'\n\toption device 'br-lan'\n\nconfig interface 'guest'\n\toption device 'br-guest'\n")
	r.write("proc/mounts", mountsNAND)
	r.must(os.MkdirAll(r.path("sbin"), 0o755))
	r.must(os.Symlink("../bin/busybox", r.path("sbin/ujail"))) // to be there is all it does
	r.write("tmp/resolv.conf.d/resolv.conf.auto", "# Interface wan\nnameserver 203.0.113.5\nnameserver 2001:db8::5\nsearch isp.example\n")
	return r
}

// commands is a file that is the stand-in commands and runs in an empty root:
// this binary, or one made without cgo if this one wants libraries.
var commands = sync.OnceValues(func() (string, error) {
	self, err := os.Executable()
	if err != nil {
		return "", err
	}
	binary, err := elf.Open(self)
	if err != nil {
		return "", err
	}
	defer binary.Close()
	if libraries, err := binary.ImportedLibraries(); err != nil || len(libraries) == 0 {
		return self, err
	}
	static := self + ".static" // beside it, in the folder that go test takes away
	build := exec.Command("go", "test", "-c", "-o", static, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%w: %s", err, out)
	}
	return static, nil
})

func (r *router) path(name string) string { return filepath.Join(r.root, name) }

func (r *router) must(err error) {
	r.t.Helper()
	if err != nil {
		r.t.Fatal(err)
	}
}

func (r *router) copy(from, to string) {
	r.t.Helper()
	if os.Link(from, r.path(to)) == nil { // megabytes, and a dozen routers
		return
	}
	b, err := os.ReadFile(from)
	r.must(err)
	r.must(os.WriteFile(r.path(to), b, 0o755))
}

func (r *router) write(name, text string) {
	r.t.Helper()
	r.must(os.WriteFile(r.path(name), []byte(text), 0o644))
}

func (r *router) read(name string) string {
	b, _ := os.ReadFile(r.path(name))
	return string(b)
}

// sh runs a command line on the router and returns what was asked of procd and
// of other commands meanwhile.
func (r *router) sh(line string) string {
	r.t.Helper()
	os.Remove(r.path("tmp/procd"))
	cmd := exec.Command("/bin/sh", "-c", line)
	cmd.Env = []string{"PATH=/bin:/usr/sbin"}
	cmd.SysProcAttr = &syscall.SysProcAttr{Chroot: r.root}
	cmd.Dir = "/"
	if out, err := cmd.CombinedOutput(); err != nil || len(out) > 0 {
		r.t.Errorf("%s: %v\n%s", line, err, out)
	}
	return r.read("tmp/procd")
}

// service calls the service script as rc.common would.
func (r *router) service(action string) string {
	r.t.Helper()
	return r.sh("sh /etc/rc.common /etc/init.d/treehouse " + action)
}

// set changes a line of our configuration.
func (r *router) set(option, value string) {
	r.t.Helper()
	r.sh(fmt.Sprintf("uci set treehouse.main.%s='%s' && uci commit treehouse", option, value))
}

func (r *router) dnsmasq(section string) *uciSection {
	return parseUCI(r.read("etc/config/dhcp")).section(section)
}

// has wants each line among those that were recorded.
func has(t *testing.T, record string, lines ...string) {
	t.Helper()
	for _, line := range lines {
		if !strings.Contains("\n"+record, "\n"+line+"\n") {
			t.Errorf("%q is not in\n%s", line, record)
		}
	}
}

func hasNot(t *testing.T, record, word string) {
	t.Helper()
	if strings.Contains(record, word) {
		t.Errorf("%q is in\n%s", word, record)
	}
}

// options wants options of a section to have values; "" is not set.
func options(t *testing.T, s *uciSection, want map[string]string) {
	t.Helper()
	for option, value := range want {
		if got := s.get(option); got != value {
			t.Errorf("%s of dnsmasq %q is %q, want %q", option, s.name, got, value)
		}
	}
}

func TestBehindDnsmasq(t *testing.T) {
	r := newRouter(t)
	record := r.service("start")
	has(t, record,
		"command /usr/libexec/treehouse serve",
		"jail treehouse", "user treehouse", "group treehouse", "no_new_privs 1", "capabilities /etc/capabilities/treehouse-firewall.json",
		"respawn 3600 2 0", "stdout 1", "stderr 1",
		"env GOMEMLIMIT=27MiB TREEHOUSE_STORAGE_DIR=/etc/treehouse TREEHOUSE_STORAGE_RUNTIME_DIR=/tmp/treehouse TREEHOUSE_DNS_LISTEN=127.0.0.1:5453 TREEHOUSE_DNS_NETWORKS=127.0.0.0/8,::1/128 TREEHOUSE_DNS_OWN_NAMES=treehouse.home.arpa TREEHOUSE_UPSTREAM_SERVERS=203.0.113.5,2001:db8::5 TREEHOUSE_PAGES_LISTEN=:8080 TREEHOUSE_LOG_LEVEL=info",
		"env TREEHOUSE_FIREWALL_ENABLED=true TREEHOUSE_FIREWALL_INTERFACES=br-lan TREEHOUSE_FIREWALL_REDIRECT_PORT=53",
		"env TREEHOUSE_DNS_OWN_ADDRESSES=192.168.1.1,2001:db8:1::1",
		"env TREEHOUSE_TIME_ZONE=America/New_York",
		"reload_trigger treehouse dhcp system network",
		"raw_trigger interface.*.up 2000 /etc/init.d/treehouse reload",
		"dnsmasq restart",
	)
	info, err := os.Stat(r.path("etc/treehouse"))
	r.must(err)
	if stat := info.Sys().(*syscall.Stat_t); stat.Uid != uid || info.Mode().Perm() != 0o700 {
		t.Errorf("/etc/treehouse belongs to %d with mode %o, want %d with 700", stat.Uid, info.Mode().Perm(), uid)
	}
	hasNot(t, record, "limits")
	ours := map[string]string{"noresolv": "1", "addmac": "1", "stripmac": "1", "addsubnet": "32,128", "stripsubnet": "1", "rebind_localhost": "1", "serversfile": "", "allservers": ""}
	options(t, r.dnsmasq("@dnsmasq[0]"), ours)
	options(t, r.dnsmasq("guest"), ours)
	options(t, r.dnsmasq("@dnsmasq[0]"), map[string]string{
		"server":        "127.0.0.1#5453 /corp.example/10.0.0.1",
		"rebind_domain": "plex.direct treehouse.home.arpa",
		"port":          "",
	})
	options(t, r.dnsmasq("guest"), map[string]string{"server": "127.0.0.1#5453 /*.lab.example/10.0.0.2"})

	t.Run("again changes nothing and restarts nobody", func(t *testing.T) {
		before := r.read("etc/config/dhcp")
		hasNot(t, r.service("reload"), "dnsmasq")
		if r.read("etc/config/dhcp") != before {
			t.Error("the file has changed")
		}
	})
	t.Run("a restart leaves dnsmasq with us", func(t *testing.T) {
		hasNot(t, r.service("restart"), "dnsmasq")
	})
	t.Run("so does a shutdown", func(t *testing.T) {
		hasNot(t, r.service("shutdown"), "dnsmasq")
	})
	t.Run("stop restores to the byte", func(t *testing.T) {
		has(t, r.service("stop"), "dnsmasq restart", "nft delete table inet treehouse", "kill")
		if got := r.read("etc/config/dhcp"); got != dhcp {
			t.Errorf("the file is\n%s", got)
		}
		hasNot(t, r.service("stop"), "dnsmasq") // and then there is nothing to restore
	})
}

func TestWhereTheListsAre(t *testing.T) {
	const memory = "env TREEHOUSE_STORAGE_LISTS_DIR=/tmp/treehouse-lists"
	for name, c := range map[string]struct{ mounts, storage, lists, want string }{
		"NOR":                         {mounts: mountsNOR, want: memory},
		"NAND":                        {mounts: mountsNAND},
		"NOR at its first boot":       {mounts: mountsFirst, want: memory},
		"NOR without an overlay":      {mounts: "rootfs / rootfs rw 0 0\n/dev/mtdblock3 /etc jffs2 rw 0 0\n", want: memory},
		"a USB stick on NOR":          {mounts: mountsNOR + "/dev/sda1 /mnt/stick ext4 rw 0 0\n", storage: "/mnt/stick/treehouse"},
		"beside the stick":            {mounts: mountsNOR + "/dev/sda1 /mnt/stick ext4 rw 0 0\n", storage: "/mnt/sticky", want: memory},
		"where the owner says":        {mounts: mountsNOR, lists: "/mnt/my lists", want: "env TREEHOUSE_STORAGE_LISTS_DIR=/mnt/my lists"},
		"in memory as a whole":        {mounts: mountsNAND, storage: "/tmp/treehouse-all"},
		"an ext4 root, as on a PC":    {mounts: "/dev/sda2 / ext4 rw 0 0\n"},
		"chosen on NAND all the same": {mounts: mountsNAND, lists: "/tmp/treehouse-lists", want: memory},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRouter(t)
			r.write("proc/mounts", c.mounts)
			if c.storage != "" {
				r.set("storage", c.storage)
			}
			if c.lists != "" {
				r.set("lists_dir", c.lists)
			}
			record := r.service("start")
			if c.want == "" {
				hasNot(t, record, "LISTS_DIR")
				return
			}
			has(t, record, c.want)
			_, dir, _ := strings.Cut(c.want, "=")
			info, err := os.Stat(r.path(dir))
			r.must(err)
			if stat := info.Sys().(*syscall.Stat_t); stat.Uid != uid || info.Mode().Perm() != 0o700 {
				t.Errorf("%s belongs to %d with mode %o", dir, stat.Uid, info.Mode().Perm())
			}
		})
	}
}

func TestFirewallSettings(t *testing.T) {
	const off = "env TREEHOUSE_FIREWALL_ENABLED=false"
	t.Run("off", func(t *testing.T) {
		r := newRouter(t)
		r.set("firewall", "0")
		record := r.service("start")
		has(t, record, off, "capabilities /etc/capabilities/treehouse.json")
		hasNot(t, record, "FIREWALL_INTERFACES")
	})
	t.Run("chosen networks, as netifd has them or as they are set up", func(t *testing.T) {
		r := newRouter(t)
		r.write("tmp/netifd", "")
		r.sh("uci add_list treehouse.main.firewall_interface=lan; uci add_list treehouse.main.firewall_interface=guest; uci commit treehouse")
		has(t, r.service("start"), "env TREEHOUSE_FIREWALL_ENABLED=true TREEHOUSE_FIREWALL_INTERFACES=br-lan,br-guest TREEHOUSE_FIREWALL_REDIRECT_PORT=53")
	})
	t.Run("in front, to our own port", func(t *testing.T) {
		r := newRouter(t)
		r.set("mode", "front")
		has(t, r.service("start"), "env TREEHOUSE_FIREWALL_ENABLED=true TREEHOUSE_FIREWALL_INTERFACES=br-lan TREEHOUSE_FIREWALL_REDIRECT_PORT=53")
	})
	t.Run("a network without a device is said", func(t *testing.T) {
		r := newRouter(t)
		r.sh("uci add_list treehouse.main.firewall_interface=attic && uci commit treehouse")
		record := r.service("start")
		has(t, record, off)
		if !strings.Contains(record, "daemon.warn The home's networks (attic) have no device") {
			t.Errorf("it is not said in\n%s", record)
		}
	})
}

// procd gives capabilities through ujail only. Where there is none, it is a user
// without any, or root where it could not work otherwise.
func TestPrivilegesWithoutJail(t *testing.T) {
	for _, c := range []struct{ mode, firewall string }{{"behind", "0"}, {"behind", "1"}, {"front", "0"}} {
		r := newRouter(t)
		r.must(os.Remove(r.path("sbin/ujail")))
		r.set("mode", c.mode)
		r.set("firewall", c.firewall)
		record := r.service("start")
		hasNot(t, record, "capabilities")
		hasNot(t, record, "jail treehouse")
		if c.mode == "behind" && c.firewall == "0" {
			has(t, record, "user treehouse", "group treehouse")
		} else if strings.Contains(record, "user treehouse") || !strings.Contains(record, "daemon.notice There is no procd-ujail") {
			t.Errorf("with %v it asks for\n%s", c, record)
		}
	}
}

func TestOpenWhenDown(t *testing.T) {
	r := newRouter(t)
	r.write("etc/own.servers", "server=/own.example/10.0.0.3\n")
	mine := dhcp + "\toption serversfile '/etc/own.servers'\n" // in the section of the guests
	r.write("etc/config/dhcp", mine)
	r.set("when_down", "open")
	has(t, r.service("start"), "instance watch", "command /usr/lib/treehouse/watch 5453")
	ours := map[string]string{"noresolv": "1", "serversfile": "/tmp/treehouse.servers", "addnmount": "/tmp/treehouse.servers", "allservers": ""}
	options(t, r.dnsmasq("@dnsmasq[0]"), ours)
	options(t, r.dnsmasq("guest"), ours)
	options(t, r.dnsmasq("guest"), map[string]string{"server": "/*.lab.example/10.0.0.2"})
	servers := func(want string) {
		t.Helper()
		if got := r.read("tmp/treehouse.servers"); got != want {
			t.Errorf("dnsmasq asks\n%s, want\n%s", got, want)
		}
	}
	servers("server=127.0.0.1#5453\n")
	for range 2 {
		has(t, r.sh(". /usr/lib/treehouse/dnsmasq.sh; dnsmasq_ask provider 5453"), "dnsmasq reload")
		servers("server=9.9.9.9\nserver=203.0.113.5\nserver=2001:db8::5\nserver=/own.example/10.0.0.3\n")
		r.sh(". /usr/lib/treehouse/dnsmasq.sh; dnsmasq_ask us 5453")
		servers("server=127.0.0.1#5453\nserver=/own.example/10.0.0.3\n")
	}

	r.set("when_down", "closed")
	record := r.service("reload")
	has(t, record, "dnsmasq restart")
	hasNot(t, record, "watch")
	options(t, r.dnsmasq("guest"), map[string]string{"server": "127.0.0.1#5453 /*.lab.example/10.0.0.2", "serversfile": "/etc/own.servers", "noresolv": "1"})
	r.service("stop")
	if got := r.read("etc/config/dhcp"); got != mine {
		t.Errorf("after all of that, the file is\n%s", got)
	}
	servers("")
}

func TestWatch(t *testing.T) {
	r := newRouter(t)
	r.set("when_down", "open")
	r.service("start")
	r.must(os.MkdirAll(r.path("proc/net"), 0o755))
	const other = "  12: 0100007F:0035 00000000:0000 07\n  13: 0100007F:0036 0100007F:154D 01\n"
	for _, state := range []struct{ udp, says string }{
		{other, "dnsmasq asks: provider"},
		{other + "  14: 0100007F:154D 00000000:0000 07\n", "dnsmasq asks: us"},
	} {
		r.write("proc/net/udp", state.udp)
		record := r.sh("/usr/lib/treehouse/watch 5453 & watch=$!; while [ ! -s /tmp/procd ]; do :; done; kill $watch; wait $watch 2>/dev/null; :")
		if !strings.Contains(record, state.says) {
			t.Errorf("%q is not in\n%s", state.says, record)
		}
	}
}

func TestFrontOfDnsmasq(t *testing.T) {
	r := newRouter(t)
	r.set("mode", "front")
	r.set("when_down", "open")
	record := r.service("start")
	has(t, record,
		"env TREEHOUSE_UPSTREAM_ROUTES=home=127.0.0.1:54,168.192.in-addr.arpa=127.0.0.1:54,10.in-addr.arpa=127.0.0.1:54,d.f.ip6.arpa=127.0.0.1:54",
		"logger -t treehouse -p daemon.warn With mode 'front' there is nobody else to answer: when_down 'open' has no effect.",
	)
	for _, part := range []string{" TREEHOUSE_DNS_LISTEN=0.0.0.0:53,[::]:53 ", "fe80::/10,2001:db8:1::1/64,fd01::1/64 "} {
		if !strings.Contains(record, part) {
			t.Errorf("%q is not in\n%s", part, record)
		}
	}
	options(t, r.dnsmasq("@dnsmasq[0]"), map[string]string{"port": "54", "noresolv": "1", "dhcp_option": "6,0.0.0.0", "addmac": ""})
	options(t, r.dnsmasq("guest"), map[string]string{"port": "54", "dhcp_option": "3,192.168.7.1 6,0.0.0.0", "server": "/*.lab.example/10.0.0.2"})

	r.set("mode", "behind") // from one way to the other, without a stop between
	r.service("reload")
	options(t, r.dnsmasq("guest"), map[string]string{"port": "", "dhcp_option": "3,192.168.7.1", "addmac": "1"})
	r.service("stop")
	if got := r.read("etc/config/dhcp"); got != dhcp {
		t.Errorf("after all of that, the file is\n%s", got)
	}
}

func TestSettings(t *testing.T) {
	t.Run("a value that cannot be leaves dnsmasq as it is", func(t *testing.T) {
		r := newRouter(t)
		r.service("start")
		taken := r.read("etc/config/dhcp")
		r.set("mode", "sideways")
		record := r.service("reload")
		has(t, record, "failed")
		hasNot(t, record, "instance")
		if r.read("etc/config/dhcp") != taken {
			t.Error("dnsmasq was changed")
		}
	})
	t.Run("disabled gives dnsmasq back", func(t *testing.T) {
		r := newRouter(t)
		r.service("start")
		r.set("enabled", "0")
		hasNot(t, r.service("reload"), "instance")
		if r.read("etc/config/dhcp") != dhcp {
			t.Error("dnsmasq was not given back")
		}
	})
	t.Run("upstreams of one's own, and never the router itself", func(t *testing.T) {
		r := newRouter(t)
		r.write("tmp/resolv.conf.d/resolv.conf.auto", "nameserver 127.0.0.1\nnameserver fe80::1%eth1\n")
		r.write("etc/config/treehouse", "\nconfig treehouse 'main'\n\tlist upstream '9.9.9.9'\n\tlist upstream 'auto'\n")
		if record := r.service("start"); !strings.Contains(record, " TREEHOUSE_UPSTREAM_SERVERS=9.9.9.9,fe80::1%eth1 ") {
			t.Errorf("upstreams are not in\n%s", record)
		}
	})
	t.Run("before the provider is known it runs, and is quiet about it at boot", func(t *testing.T) {
		r := newRouter(t)
		r.must(os.Remove(r.path("tmp/resolv.conf.d/resolv.conf.auto")))
		record := r.service("boot")
		if !strings.Contains(record, " TREEHOUSE_UPSTREAM_SERVERS=192.0.2.1 ") {
			t.Errorf("it does not run in\n%s", record)
		}
		hasNot(t, record, "logger")
		if !strings.Contains(r.service("reload"), "daemon.warn No upstream resolver") {
			t.Error("later it does not say so")
		}
	})
	t.Run("the memory limit follows the machine", func(t *testing.T) {
		for kib, want := range map[string]string{"28000": "20MiB", "55928": "27MiB", "124000": "60MiB", "1000000": "128MiB"} {
			r := newRouter(t)
			r.write("etc/config/system", "\nconfig system\n\toption timezone 'EST5EDT,M3.2.0,M11.1.0'\n\toption zonename 'America/New York'\n")
			r.write("proc/meminfo", "MemTotal:     "+kib+" kB\n")
			if record := r.service("start"); !strings.Contains(record, "env GOMEMLIMIT="+want+" ") {
				t.Errorf("with %s kB, %s is not in\n%s", kib, want, record)
			}
		}
	})
	t.Run("a time zone without a name is said", func(t *testing.T) {
		r := newRouter(t)
		r.write("etc/config/system", "\nconfig system\n\toption timezone 'CET-1'\n")
		record := r.service("start")
		hasNot(t, record, "TREEHOUSE_TIME_ZONE")
		if !strings.Contains(record, "daemon.warn The router's time zone has no name") {
			t.Errorf("it is not in\n%s", record)
		}
	})
	t.Run("a configuration file is handed on, and watched", func(t *testing.T) {
		r := newRouter(t)
		r.must(os.MkdirAll(r.path("etc/treehouse"), 0o755))
		r.write("etc/treehouse/treehouse.yaml", "log: {level: debug}\n")
		has(t, r.service("start"), "command --config /etc/treehouse/treehouse.yaml", "file /etc/treehouse/treehouse.yaml")
	})
	t.Run("what somebody has typed and not saved stays so", func(t *testing.T) {
		r := newRouter(t)
		r.sh("uci set dhcp.lan.start=200")
		r.service("start")
		r.service("reload")
		if !strings.Contains(r.read("tmp/.uci/dhcp"), "200") {
			t.Error("it is lost")
		}
	})
}

// showsSettings stands in for the program: it writes down its arguments and the
// settings that it was given.
const showsSettings = `#!/bin/sh
{
	printf '%s\n' "$@"
	echo "dir=$TREEHOUSE_STORAGE_DIR lists=$TREEHOUSE_STORAGE_LISTS_DIR listen=$TREEHOUSE_DNS_LISTEN level=$TREEHOUSE_LOG_LEVEL"
} > /tmp/shown
`

// Whatever stands in UCI, the command line gets what the daemon got, to the byte,
// and no shell runs any of it.
func TestCommandLineGetsTheDaemonsSettings(t *testing.T) {
	newRouter := func(t *testing.T) *router {
		r := newRouter(t)
		r.must(os.MkdirAll(r.path("usr/libexec"), 0o755))
		r.must(os.WriteFile(r.path("usr/libexec/treehouse"), []byte(showsSettings), 0o755))
		return r
	}
	shows := func(t *testing.T, r *router, line, want string) {
		t.Helper()
		r.sh(line)
		if got := r.read("tmp/shown"); got != want {
			t.Errorf("%s gives\n%s, want\n%s", line, got, want)
		}
	}
	t.Run("before the first start", func(t *testing.T) {
		r := newRouter(t)
		shows(t, r, "treehouse people", "people\ndir=/etc/treehouse lists= listen= level=\n")
		r.set("storage", "/mnt/stick/trees")
		r.set("lists_dir", "/tmp/lists")
		shows(t, r, "treehouse people", "people\ndir=/mnt/stick/trees lists=/tmp/lists listen= level=\n")
	})
	t.Run("started, stopped, and put aside", func(t *testing.T) {
		r := newRouter(t)
		r.write("proc/mounts", mountsNOR)
		const want = "pause\nAna and  \"Zoë\"\ndir=/etc/treehouse lists=/tmp/treehouse-lists listen=127.0.0.1:5453 level=info\n"
		r.service("start")
		shows(t, r, `treehouse pause 'Ana and  "Zoë"'`, want)
		info, err := os.Stat(r.path("var/run/treehouse.env"))
		r.must(err)
		if stat := info.Sys().(*syscall.Stat_t); stat.Uid != 0 || info.Mode().Perm() != 0o600 {
			t.Errorf("the file belongs to %d with mode %o, want 0 with 600", stat.Uid, info.Mode().Perm())
		}
		r.service("stop")
		shows(t, r, `treehouse pause 'Ana and  "Zoë"'`, want)
		r.set("storage", "/mnt/other")
		r.set("enabled", "0")
		r.service("start")
		shows(t, r, "treehouse people", "people\ndir=/mnt/other lists= listen= level=\n")
	})
	t.Run("the environment wins", func(t *testing.T) {
		r := newRouter(t)
		r.service("start")
		shows(t, r, `TREEHOUSE_STORAGE_DIR="/tmp/it's \$(mine)" TREEHOUSE_LOG_LEVEL= treehouse people`, "people\ndir=/tmp/it's $(mine) lists= listen=127.0.0.1:5453 level=\n")
	})
	t.Run("hostile values in UCI", func(t *testing.T) {
		r := newRouter(t)
		const hostile = "/tmp/it's \"$(echo x>/tmp/owned)\" `echo x>/tmp/owned` '; echo x>/tmp/owned; '\\ $HOME & \\n*"
		r.write("etc/config/treehouse", "\nconfig treehouse 'main'\n\toption storage '"+hostile+"'\n")
		r.service("start")
		shows(t, r, "treehouse people", "people\ndir="+hostile+" lists= listen=127.0.0.1:5453 level=info\n")
		if r.read("tmp/owned") != "" {
			t.Error("a value was run")
		}
	})
	t.Run("lines and quotes", func(t *testing.T) {
		r := newRouter(t)
		for _, value := range []string{"", "'", "''", "a\nb", "\n'\n", "\nTREEHOUSE_LOG_LEVEL=x\n", "'\necho x>/tmp/owned\n'", "\\", "\\'", "=", "a=b", "-n", "%s", "é\xff"} {
			r.write("tmp/value", value+".") // a substitution takes line ends away
			r.sh(`procd_append_param() { :; }; . /etc/init.d/treehouse; value="$(cat /tmp/value)"; rm -f $ENVIRONMENT.new; environment TREEHOUSE_STORAGE_DIR="${value%.}" TREEHOUSE_LOG_LEVEL=info; mv $ENVIRONMENT.new $ENVIRONMENT`)
			shows(t, r, "treehouse -x", "-x\ndir="+value+" lists= listen= level=info\n")
		}
		if r.read("tmp/owned") != "" {
			t.Error("a value was run")
		}
	})
}

// TestSysupgradeKeeps: what sysupgrade packs in memory is the family's, and the
// lists unless they are large.
func TestSysupgradeKeeps(t *testing.T) {
	r := newRouter(t)
	r.must(os.MkdirAll(r.path("etc/treehouse"), 0o700))
	const all = "/etc/treehouse\n/etc/treehouse/\n/etc/treehouse/blocklists.db\n/etc/treehouse/blocklists.db.writer\n/etc/treehouse/blocklists.kept\n/etc/treehouse/catalogue.seen\n/etc/treehouse/household.db\n"
	const few = "/etc/treehouse/blocklists.db.writer\n/etc/treehouse/blocklists.kept\n/etc/treehouse/catalogue.seen\n/etc/treehouse/household.db\n"
	keeps := func(what, want string) {
		t.Helper()
		r.write("tmp/sysupgrade.conffiles", all)
		r.sh("sysupgrade_init_conffiles=add_conffiles; . /lib/upgrade/treehouse.sh; set -- $sysupgrade_init_conffiles; [ $1 = add_conffiles ] && $2 /tmp/sysupgrade.conffiles")
		if got := r.read("tmp/sysupgrade.conffiles"); got != want {
			t.Errorf("%s: it keeps\n%s", what, got)
		}
	}
	keeps("no lists", all)
	r.must(os.WriteFile(r.path("etc/treehouse/blocklists.db"), make([]byte, 6<<20), 0o600))
	keeps("small lists", all)
	r.must(os.WriteFile(r.path("etc/treehouse/blocklists.db"), make([]byte, 17<<20), 0o600))
	keeps("large lists", few)
}

func TestAfterAFlashWithoutThePackage(t *testing.T) {
	r := newRouter(t)
	r.service("start")
	// While it is installed, the script of the first boot stays and does nothing.
	taken := r.read("etc/config/dhcp")
	r.sh("(. /etc/uci-defaults/90-treehouse); [ $? = 1 ]")
	if r.read("etc/config/dhcp") != taken {
		t.Error("it changed dnsmasq while the package is there")
	}
	for _, kept := range strings.Fields(r.read("lib/upgrade/keep.d/treehouse")) {
		if !strings.HasSuffix(kept, "/") && r.read(kept) == "" {
			t.Errorf("%s is to be kept and is not there", kept)
		}
	}
	r.must(os.Remove(r.path("etc/init.d/treehouse")))
	has(t, r.sh("(. /etc/uci-defaults/90-treehouse)"), "dnsmasq restart")
	if got := r.read("etc/config/dhcp"); got != dhcp {
		t.Errorf("the file is\n%s", got)
	}
}
