package main

import "fmt"

// ipk writes a package for opkg: a gzipped tar of three members.
func ipk(p *pkg) (string, []byte, error) {
	control := []file{{path: "control", mode: 0o644, content: append(p.controlFile("Installed-Size"), fmt.Sprintf("Installed-Size: %d\n", p.size())...)}}
	if len(p.conffiles) > 0 {
		control = append(control, file{path: "conffiles", mode: 0o644, content: lines(p.conffiles)})
	}
	// opkg calls postinst and prerm; what the package itself has to do there is
	// called by the system's default_postinst and default_prerm.
	control = append(control,
		file{path: "postinst", mode: 0o755, content: []byte(openwrtScript("default_postinst $0 $@"))},
		file{path: "prerm", mode: 0o755, content: []byte(openwrtScript("default_prerm $0 $@"))},
	)
	for name, opkgs := range map[string]string{"postinst": "postinst-pkg", "prerm": "prerm-pkg", "preinst": "preinst", "postrm": "postrm"} {
		if text, ok := p.scripts[name]; ok {
			control = append(control, file{path: opkgs, mode: 0o755, content: []byte(text)})
		}
	}
	content, err := debianMembers(p, control, func(members []file) ([]byte, error) { return tarball(members) })
	return fmt.Sprintf("%s_%s_%s.ipk", p.field("Package"), p.field("Version"), p.field("Architecture")), content, err
}

// openwrtScript is how OpenWrt's own packages call its package functions: not at
// all where the root of a future image is being put together without them.
func openwrtScript(call string) string {
	return `#!/bin/sh
[ "${IPKG_NO_SCRIPT}" = "1" ] && exit 0
[ -s "${IPKG_INSTROOT}/lib/functions.sh" ] || exit 0
. "${IPKG_INSTROOT}/lib/functions.sh"
` + call + "\n"
}

// debianMembers makes the three members that .ipk and .deb share.
func debianMembers(p *pkg, control []file, archive func([]file) ([]byte, error)) ([]byte, error) {
	controlTar, err := tarball(control)
	if err != nil {
		return nil, err
	}
	dataTar, err := tarball(p.files)
	if err != nil {
		return nil, err
	}
	return archive([]file{
		{path: "debian-binary", mode: 0o644, content: []byte("2.0\n")},
		{path: "control.tar.gz", mode: 0o644, content: controlTar},
		{path: "data.tar.gz", mode: 0o644, content: dataTar},
	})
}

func lines(list []string) []byte {
	var out []byte
	for _, s := range list {
		out = append(out, s+"\n"...)
	}
	return out
}
