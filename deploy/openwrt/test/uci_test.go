package openwrt

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// uci is OpenWrt's configuration command, as far as our scripts use it. The test
// binary is it when it is called by that name (see TestMain): the router in
// these tests is a folder that the scripts are run in with chroot.
func uci(args []string, out io.Writer) error {
	changes, hashed := "/tmp/.uci", false
	for len(args) > 0 && strings.HasPrefix(args[0], "-") {
		switch args[0] {
		case "-q":
		case "-X":
			hashed = true
		case "-t":
			changes = args[1]
			args = args[1:]
		default:
			return fmt.Errorf("uci: unknown option %s", args[0])
		}
		args = args[1:]
	}
	if len(args) != 2 {
		return fmt.Errorf("uci: %q", args)
	}
	verb, target := args[0], args[1]
	target, value, assigned := strings.Cut(target, "=")
	path := strings.Split(target, ".")
	saved, changed := filepath.Join("/etc/config", path[0]), filepath.Join(changes, path[0])
	file := changed
	if _, err := os.Stat(changed); err != nil {
		file = saved
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	c := parseUCI(string(text))

	switch verb {
	case "export":
		fmt.Fprintf(out, "package %s\n%s\n", path[0], c)
		return nil
	case "revert":
		return os.RemoveAll(changed)
	case "commit":
		if file == changed {
			return errors.Join(os.WriteFile(saved, []byte(c.String()), 0o600), os.RemoveAll(changed))
		}
		return nil
	case "show":
		counts := map[string]int{}
		for _, s := range c {
			name := s.name
			if strings.HasPrefix(name, "cfg") && !hashed {
				name = fmt.Sprintf("@%s[%d]", s.kind, counts[s.kind])
			}
			counts[s.kind]++
			fmt.Fprintf(out, "%s.%s=%s\n", path[0], name, s.kind)
			for _, o := range s.options {
				fmt.Fprintf(out, "%s.%s.%s='%s'\n", path[0], name, o.name, strings.Join(o.values, "' '"))
			}
		}
		return nil
	}
	if len(path) != 3 {
		return fmt.Errorf("uci: %s %s has no option", verb, target)
	}
	s := c.section(path[1])
	if s == nil {
		return errors.New("uci: Entry not found")
	}
	at := s.find(path[2])
	if at < 0 && (verb == "get" || verb == "delete" || verb == "rename") {
		return errors.New("uci: Entry not found")
	}
	if assigned == (verb == "get" || verb == "delete") {
		return fmt.Errorf("uci: %s %s", verb, args[1])
	}
	switch verb {
	case "get":
		fmt.Fprintln(out, strings.Join(s.options[at].values, " "))
		return nil
	case "set":
		if at < 0 {
			s.options = append(s.options, &uciOption{name: path[2]})
			at = len(s.options) - 1
		}
		s.options[at].list, s.options[at].values = false, []string{value}
	case "add_list":
		if at < 0 {
			s.options = append(s.options, &uciOption{name: path[2]})
			at = len(s.options) - 1
		}
		s.options[at].list, s.options[at].values = true, append(s.options[at].values, value)
	case "delete":
		s.options = append(s.options[:at], s.options[at+1:]...)
	case "rename":
		if s.find(value) >= 0 {
			return errors.New("uci: the name is taken")
		}
		s.options[at].name = value
	default:
		return fmt.Errorf("uci: unknown command %s", verb)
	}
	if changes == "/tmp/.uci" { // the system makes this one, and no other
		if err := os.MkdirAll(changes, 0o755); err != nil {
			return err
		}
	}
	return os.WriteFile(changed, []byte(c.String()), 0o600)
}

type uciConfig []*uciSection

type uciSection struct {
	kind, name string
	options    []*uciOption
}

type uciOption struct {
	name   string
	list   bool
	values []string
}

// parseUCI reads a configuration file. Comments are lost, as they are with the
// real one.
func parseUCI(text string) uciConfig {
	var c uciConfig
	for line := range strings.Lines(text) {
		words := strings.SplitN(strings.TrimSpace(line), " ", 3)
		quoted := ""
		if len(words) == 3 {
			quoted = strings.Trim(words[2], `'"`)
		}
		switch words[0] {
		case "config":
			name := quoted
			if name == "" {
				name = fmt.Sprintf("cfg%02x411c", len(c)+1)
			}
			c = append(c, &uciSection{kind: words[1], name: name})
		case "option":
			s := c[len(c)-1]
			s.options = append(s.options, &uciOption{name: words[1], values: []string{quoted}})
		case "list":
			s := c[len(c)-1]
			if at := s.find(words[1]); at >= 0 {
				s.options[at].values = append(s.options[at].values, quoted)
				continue
			}
			s.options = append(s.options, &uciOption{words[1], true, []string{quoted}})
		}
	}
	return c
}

// String is how uci writes a file.
func (c uciConfig) String() string {
	var b strings.Builder
	for _, s := range c {
		b.WriteString("\nconfig " + s.kind)
		if !strings.HasPrefix(s.name, "cfg") {
			b.WriteString(" '" + s.name + "'")
		}
		b.WriteString("\n")
		for _, o := range s.options {
			for _, v := range o.values {
				kind := "option"
				if o.list {
					kind = "list"
				}
				fmt.Fprintf(&b, "\t%s %s '%s'\n", kind, o.name, v)
			}
		}
	}
	return b.String()
}

// section finds one by its name, or by its place: @dnsmasq[0].
func (c uciConfig) section(ref string) *uciSection {
	kind, index, ok := strings.Cut(strings.TrimSuffix(strings.TrimPrefix(ref, "@"), "]"), "[")
	n, _ := strconv.Atoi(index)
	for _, s := range c {
		if !ok && s.name == ref {
			return s
		}
		if ok && s.kind == kind {
			if n == 0 {
				return s
			}
			n--
		}
	}
	return nil
}

func (s *uciSection) find(option string) int {
	for i, o := range s.options {
		if o.name == option {
			return i
		}
	}
	return -1
}

// get returns an option's values, for tests that look at a result.
func (s *uciSection) get(option string) string {
	if at := s.find(option); at >= 0 {
		return strings.Join(s.options[at].values, " ")
	}
	return ""
}
