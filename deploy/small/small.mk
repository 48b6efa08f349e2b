# How a router's binary is built: $(GO_SMALL), for which $(SMALL) has to be made
# first. What it takes off, of the 12 MiB that we allow ourselves:
#
#   1.2   inlining is off but where the query path runs, and HTTP/2 is left out
#   0.2   formats of configuration that viper links and we never read, by a go.mod
#         in which the folders here stand in for them
#   0.13  conversions that viper links and our options do without, in the same way
#   0.06  cobra's scripts for bash, zsh, fish and PowerShell: a router has ash
#   0.2   tables of other scripts for the hosts that net/http fetches from, by an
#         overlay in which a folder here stands in for them
#   0.15  the words of the pages are packed, by an overlay: the source stays text
#   0.1   of zeros: sections begin at 16 KiB, the largest page of a router's kernel,
#         and not at Go's 64
#
# `-tags nethttpomithttp2` stands last, so that $(GO_SMALL),tiny is the tiny build.
ROOT     := $(abspath $(dir $(lastword $(MAKEFILE_LIST)))/../..)
HOT      := $(addprefix github.com/treehouse-dns/treehouse/,filter resolver) runtime internal/runtime/... encoding/binary sync/atomic net/netip
SMALL    := $(ROOT)/dist/small.mod $(ROOT)/dist/small.json
GO_SMALL := go build -modfile $(ROOT)/dist/small.mod -overlay $(ROOT)/dist/small.json -trimpath -ldflags '-s -w -R 0x4000' \
	-gcflags=all=-l $(HOT:%=-gcflags=%=) -tags nethttpomithttp2

# The module file: folders here that stand in for libraries, and cobra without its
# scripts for shells that no router has.
$(ROOT)/dist/small.mod: $(ROOT)/go.mod $(ROOT)/go.sum $(ROOT)/deploy/small/small.mk $(ROOT)/deploy/small/cobra/_completion.go
	@mkdir -p $(@D) && cp $(ROOT)/go.mod $@ && cp $(ROOT)/go.sum $(@D)/small.sum
	@rm -rf $(@D)/cobra && cp -r "$$(cd $(ROOT) && go mod download -json github.com/spf13/cobra | sed -n 's/^\t"Dir": "\(.*\)",$$/\1/p')" $(@D)/cobra && chmod -R u+w $(@D)/cobra
	@cd $(@D)/cobra && rm -r bash_completionsV2.go zsh_completions.go fish_completions.go powershell_completions.go *_test.go doc && cp $(ROOT)/deploy/small/cobra/_completion.go completion.go
	@go mod edit -replace github.com/pelletier/go-toml/v2=./deploy/small/go-toml -replace github.com/subosito/gotenv=./deploy/small/gotenv \
		-replace github.com/spf13/cast=./deploy/small/cast -replace github.com/spf13/cobra=./dist/cobra $@

# The overlay: what is packed, and what stands in for net/http's own idna. It is
# written each time, since another Go has other files.
WORDS := $(wildcard $(ROOT)/web/words/*.txt)
.PHONY: FORCE
.DELETE_ON_ERROR:
$(ROOT)/dist/small.json: FORCE
	@mkdir -p $(@D)/words && for f in $(WORDS:$(ROOT)/web/words/%=%); do gzip -9 -n -c $(ROOT)/web/words/$$f >$(@D)/words/$$f; done
	@idna=$$(go env GOROOT)/src/vendor/golang.org/x/net/idna; { \
		for f in $(WORDS:$(ROOT)/web/words/%=%); do echo "\"$(ROOT)/web/words/$$f\": \"$(@D)/words/$$f\""; done; \
		for f in "$$idna"/*.go; do echo "\"$$f\": \"\""; done; \
		echo "\"$$idna/idna.go\": \"$(ROOT)/deploy/small/idna/idna.go\""; } | \
		{ echo '{"Replace": {'; sed '$$!s/$$/,/'; echo '}}'; } >$@
