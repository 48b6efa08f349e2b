# Installable .ipk (OpenWrt up to 24.10) and .apk (from 25.12) without an SDK:
#
#   make -C deploy/openwrt                       for the routers in TARGETS
#   make -C deploy/openwrt TARGETS=arm64/aarch64_cortex-a72
#   make -C deploy/openwrt BINARY=path TARGETS=… packs a binary that is there already
#   make -C deploy/openwrt TINY=1                builds treehouse-tiny, for 8 MB of flash
#
# A target is Go's name of the processor and OpenWrt's, which a router tells with
# `opkg print-architecture` or `apk --print-arch`.

ROOT    := $(abspath ../..)
OUT     ?= $(ROOT)/dist/openwrt
VERSION ?= 0.1.0
BINARY  ?=
TINY    ?=
TARGETS ?= mipsle/mipsel_24kc mips/mips_24kc arm/arm_cortex-a7_neon-vfpv4 arm64/aarch64_cortex-a53

# Every file of a package has this time, so that the same source gives the same bytes.
export SOURCE_DATE_EPOCH ?= $(shell git -C $(ROOT) log -1 --format=%ct 2>/dev/null || echo 1767225600)

# In place of the whole package. cmd/treehouse/extent_tiny.go has all that is left
# out: the pages for parents and the API, DNS over TLS and HTTPS, the doctor,
# /metrics, notices by mail and MQTT, and other catalogues than the built-in one.
NAME := treehouse$(if $(TINY),-tiny)
ALSO := $(if $(TINY),-field 'Provides: treehouse' -field 'Conflicts: treehouse')

WORK := $(OUT)/.build
PACK := $(WORK)/pack -version $(VERSION) -out $(OUT)

.PHONY: packages clean
packages:
	@mkdir -p $(WORK)
	@cd $(ROOT) && CGO_ENABLED=0 go build -o $(WORK)/pack ./deploy/pack
	@set -e; for target in $(TARGETS); do \
		goarch=$${target%/*} arch=$${target#*/} binary="$(abspath $(BINARY))"; \
		if [ -z "$(BINARY)" ]; then \
			binary=$(WORK)/$(NAME)-$$goarch; \
			$(MAKE) -s -C $(ROOT) router GOARCH=$$goarch TAGS=$(if $(TINY),tiny) TO=$$binary; \
		fi; \
		for format in ipk apk; do \
			$(PACK) -format $$format -name $(NAME) $(ALSO) -arch $$arch -control control -files files -add usr/libexec/treehouse=$$binary; \
		done; \
	done
	@set -e; for format in ipk apk; do \
		$(PACK) -format $$format -arch all -control luci-app-treehouse/control \
			-files luci-app-treehouse/root -tree www=luci-app-treehouse/htdocs; \
	done

clean:
	rm -rf $(OUT)
