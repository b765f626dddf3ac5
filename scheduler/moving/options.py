"""Which options do wget and curl have, and what do they mean for a request of lamplighter's?

In the tables a `=` follows an option that takes a value. A word after it is what the option asks
for, `!word` why it cannot be had; what has neither (how it is shown, where it is kept) means
nothing here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

REASONS: Final[Mapping[str, str]] = {
    "file": "reads a file, which lamplighter does not send; write what it holds into `body`",
    "certificate": "shows a certificate of its own, which lamplighter does not; leave the line in "
    "the crontab",
    "unverified": "does not verify certificates, and lamplighter always does: have the other side "
    "show one that holds, or trust its authority (SSL_CERT_FILE), and leave the option out",
    "authority": "names an authority of its own: trust it for all of lamplighter (SSL_CERT_FILE), "
    "and leave the option out",
    "proxy": "goes through a proxy, and lamplighter calls directly",
    "elsewhere": "leads the address elsewhere; write the address that is called",
    "many": "fetches more than one address; write an entry for each call",
    "handshake": "proves itself otherwise than with a header; leave the line in the crontab",
    "form": "sends a form in parts, which lamplighter does not; leave the line in the crontab",
    "options": "reads its options from a file; write them out and import again",
    "password-file": "takes a password from elsewhere; put it into a variable",
    "part": "asks for a part of the answer; leave the line in the crontab",
    "execute": "sets wget up by a command of its own; write the option that it stands for",
}
_OPTION: Final = re.compile(
    r"^(?:-(?P<letters>[^ ]+?) )?--(?P<name>[a-z0-9.-]+)(?P<value>=?)(?: (?P<meaning>!?[\w-]+))?$"
)


@dataclass(frozen=True, slots=True)
class Option:
    name: str
    takes_value: bool
    meaning: str
    """Empty for none."""
    refused: str
    """Why it cannot be had; empty where it can."""


@dataclass(frozen=True, slots=True)
class Options:
    """Those of one program."""

    by_name: Mapping[str, Option]
    by_letter: Mapping[str, Option]


def _read(table: str) -> Options:
    by_name: dict[str, Option] = {}
    by_letter: dict[str, Option] = {}
    for written in re.split(r"\n|  +", table.strip()):
        found = _OPTION.match(written)
        if found is None:
            raise ValueError(f"{written!r} is no option")
        meaning = found["meaning"] or ""
        refused = REASONS[meaning[1:]] if meaning.startswith("!") else ""
        option = Option(found["name"], bool(found["value"]), "" if refused else meaning, refused)
        by_name[option.name] = option
        by_letter.update(dict.fromkeys((found["letters"] or "").split(","), option))
    by_letter.pop("", None)
    return Options(by_name, by_letter)


CURL: Final = _read(
    """
-s --silent  -S --show-error  -f --fail  --fail-with-body  --fail-early  -i --include
-v --verbose  --no-progress-meter  -# --progress-bar  -N --no-buffer  --compressed
--path-as-is  --basic  -0 --http1.0  --http1.1  --http2  --http2-prior-knowledge  --http3
-4 --ipv4  -6 --ipv6  -1 --tlsv1  --tlsv1.0  --tlsv1.1  --tlsv1.2  --tlsv1.3  --create-dirs
--no-keepalive  --retry-all-errors  --retry-connrefused  --tcp-nodelay  --ssl-reqd
-R --remote-time  -J --remote-header-name  --no-sessionid
-Z --parallel  -j --junk-session-cookies  --post301  --post302  --post303  -q --disable
--styled-output  --ca-native  --no-styled-output  --raw
-w --write-out=  --stderr=  --trace=  --trace-ascii=  --output-dir=
-D --dump-header=  --retry-delay=  --retry-max-time=  --limit-rate=  -Y --speed-limit=
-y --speed-time=  --rate=  --keepalive-time=  --max-redirs=  --proto=  --proto-default=
--proto-redir=  --noproxy=  -c --cookie-jar=  --tls-max=  --ciphers=
--happy-eyeballs-timeout-ms=  --max-filesize=  --connect-timeout=  --interface=  --local-port=
--dns-servers=  --parallel-max=
-L --location followed
-o --output= output
-O --remote-name remote-name
--remote-name-all remote-name
--location-trusted followed
-g --globoff globoff
-G --get get
-I --head head
-m --max-time= seconds
--retry= retries
-H --header= header
-d --data= data
--data-ascii= data
--data-binary= data-binary
--data-raw= data-raw
--data-urlencode= data-urlencode
--json= json
-X --request= method
-u --user= userinfo
--oauth2-bearer= bearer
-A --user-agent= User-Agent
-e --referer= Referer
-b --cookie= cookie
--url= url
-k --insecure !unverified
--cacert= !authority
--capath= !authority
-E --cert= !certificate
--key= !certificate
--pass= !certificate
-x --proxy= !proxy
--socks5= !proxy
--socks5-hostname= !proxy
-U --proxy-user= !proxy
--preproxy= !proxy
--resolve= !elsewhere
--connect-to= !elsewhere
--unix-socket= !elsewhere
--abstract-unix-socket= !elsewhere
--request-target= !elsewhere
-F --form= !form
--form-string= !form
-T --upload-file= !file
-K --config= !options
-n --netrc !password-file
--netrc-optional !password-file
--netrc-file= !password-file
--digest !handshake
--ntlm !handshake
--negotiate !handshake
--anyauth !handshake
--aws-sigv4= !handshake
-: --next !many
-r --range= !part
-z --time-cond= !part
"""
)
WGET: Final = _read(
    """
-q --quiet  -nv --no-verbose  -v --verbose  -d --debug  -c --continue  -S --server-response
--no-hsts  --no-cache  --no-dns-cache  --no-cookies  --delete-after  --content-on-error
--auth-no-challenge  -4 --inet4-only  -6 --inet6-only  --no-proxy  -nd --no-directories
-b --background  -nc --no-clobber  -N --timestamping  --no-netrc  --no-config  --no-glob
--retry-connrefused  --save-headers  --ignore-length  --no-http-keep-alive
--keep-session-cookies  -x --force-directories  --protocol-directories  --unlink
--trust-server-names  --content-disposition  --no-iri  --https-only  --show-progress
--no-if-modified-since  --no-warc-compression  --retry-on-host-error  -np --no-parent
-o --output-file=  -a --append-output=  -w --wait=  --waitretry=
--progress=  --dns-timeout=  --connect-timeout=  -P --directory-prefix=  --limit-rate=
--compression=  --secure-protocol=  --ciphers=  --bind-address=  --save-cookies=  --hsts-file=
-Q --quota=  --retry-on-http-error=  --default-page=  --report-speed=  --prefer-family=
-l --level=
--header= header
--post-data= body
--body-data= body
--method= method
-T --timeout= seconds
--read-timeout= seconds
-t --tries= tries
--user= user
--http-user= user
--password= password
--http-password= password
-U --user-agent= User-Agent
--referer= Referer
--max-redirect= redirects
--spider head
-O --output-document= output
--no-check-certificate !unverified
--ca-certificate= !authority
--ca-directory= !authority
--certificate= !certificate
--private-key= !certificate
--post-file= !file
--body-file= !file
--load-cookies= !file
-i --input-file= !many
-r --recursive !many
-m --mirror !many
-p --page-requisites !many
-e --execute= !execute
--config= !options
--use-askpass= !password-file
--ask-password !password-file
--start-pos= !part
"""
)
