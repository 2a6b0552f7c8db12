"""What is installed: the Debian packages, the settings they bring, and what systemd is told."""

import os
import re
import shutil
import socket
import subprocess

import harness

REPOSITORY = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SETTINGS = os.path.join(REPOSITORY, "tools", "package", "kachel.toml")
EMBEDDING = """
#include <cstdio>
#include <engine/kachel.h>
int main(int, char** arguments) {
  kachel::Options options;
  options.memory_bytes = 64 * kachel::kMiB;
  auto cache = kachel::LocalStore::open(arguments[1], options);
  if (!cache) return std::puts(cache.error().message.c_str()), 1;
  if (!(*cache)->put("key", "value")) return 1;
  auto found = (*cache)->get("key");
  return found && *found && (*found)->entry->value() == "value" ? 0 : 1;
}
"""


def run(*command, **how):
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False, **how)
    if done.returncode != 0:
        raise AssertionError(f"{command}: exit code {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


class Settings(harness.TestCase):
    def test_the_file_has_every_option_and_each_is_taken(self):
        with open(SETTINGS, encoding="utf-8") as file:
            text = file.read()
        options = re.findall(r"^ +--([a-z-]+)", run(harness.binary("kacheld"), "--help"), re.MULTILINE)
        for option in set(options) - {"help", "version", "config"}:
            self.assertRegex(text, rf"(?m)^(# )?{option} = ", option)
        # With all of them in force, but for what needs files and other addresses.
        text = re.sub(r"(?m)^# ([a-z_-]+ = |\[tenant)", r"\1", text)
        text = re.sub(r"(?m)^(tls-[a-z-]+|users|port-file|https|listen|http|data) = .*$", "", text)
        text = f'data = "{self.path("data")}"\nlisten = "127.0.0.1:0"\nhttp = "off"\n' + text
        path = self.path("kachel.toml")
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        server = self.server("--config", path).start()
        with server.connect() as connection:
            self.assertEqual(connection.call("PING"), "PONG")


class ServiceManager(harness.TestCase):
    def setUp(self):
        super().setUp()
        self.path_of_socket = self.path("notify")
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.addCleanup(self.socket.close)
        self.socket.bind(self.path_of_socket)
        self.socket.settimeout(harness.DEADLINE_S)

    def wait_for(self, line):
        heard = []
        while line not in heard:
            heard += self.socket.recv(4096).decode().splitlines()
        return heard

    def test_it_hears_of_start_life_and_end(self):
        os.environ["NOTIFY_SOCKET"] = self.path_of_socket
        os.environ["WATCHDOG_USEC"] = "300000"
        try:
            server = self.server().start()
        finally:
            del os.environ["NOTIFY_SOCKET"]
            del os.environ["WATCHDOG_USEC"]
        heard = self.wait_for("READY=1")
        self.assertIn("STATUS=opening the store", heard)
        self.assertIn(f"STATUS=serving on 127.0.0.1:{server.port}", heard)
        self.wait_for("WATCHDOG=1")
        self.wait_for("WATCHDOG=1")
        server.stop()
        self.wait_for("STOPPING=1")


class Packages(harness.TestCase):
    def test_they_have_what_they_should_and_it_works(self):
        if os.environ.get("KACHEL_SANITIZE") or not shutil.which("dpkg-shlibdeps"):
            self.skipTest("not of this build, or without dpkg-dev")
        build = os.path.dirname(harness.BIN_DIR)
        run("cpack", "-G", "DEB", "-B", self.path("packages"), cwd=build)
        packages = {}
        for name in os.listdir(self.path("packages")):
            if not name.endswith(".deb"):
                continue
            path = os.path.join(self.path("packages"), name)
            packages[run("dpkg-deb", "-f", path, "Package").strip()] = path
            run("dpkg-deb", "-x", path, self.path("root"))
        self.assertEqual(set(packages), {"kachel", "libkachel-dev"})
        root = self.path("root")
        for path in ("usr/bin/kacheld", "usr/bin/kachel", "lib/systemd/system/kacheld.service",
                     "usr/lib/sysusers.d/kachel.conf", "etc/kachel/kachel.toml",
                     "usr/share/man/man1/kachel.1", "usr/share/doc/kachel/copyright"):
            self.assertTrue(os.path.exists(os.path.join(root, path)), path)
        control = run("dpkg-deb", "-I", packages["kachel"])
        self.assertRegex(control, "Depends: .*librocksdb")
        self.assertEqual(run("dpkg-deb", "-I", packages["kachel"], "conffiles").strip(),
                         "/etc/kachel/kachel.toml")
        for script in ("postinst", "prerm", "postrm"):
            self.assertIn("#!/bin/sh", run("dpkg-deb", "-I", packages["kachel"], script))
        with open(os.path.join(root, "lib/systemd/system/kacheld.service"), encoding="utf-8") as file:
            command = re.search(r"(?m)^ExecStart=(.*)$", file.read()).group(1).split()
        self.assertEqual(command, ["/usr/bin/kacheld", "--config", "/etc/kachel/kachel.toml"])
        server = self.server(executable=os.path.join(root, "usr/bin/kacheld")).start()
        with server.connect() as connection:
            self.assertEqual(connection.call("SET", "k", "v"), "OK")
        server.stop()
        self.embed(root)

    def embed(self, root):
        source = self.path("embedding.cc")
        with open(source, "w", encoding="utf-8") as file:
            file.write(EMBEDDING)
        found = subprocess.run(["find", root, "-name", "kachel.pc"], capture_output=True, text=True,
                               check=True).stdout.strip()
        flags = run("pkg-config", "--define-variable=libdir=" + os.path.dirname(os.path.dirname(found)),
                    f"--define-variable=includedir={root}/usr/include", "--cflags", "--libs", found)
        program = self.path("embedding")
        run("c++", "-std=c++20", source, "-o", program, *flags.split())
        run(program, self.path("embedded"))


if __name__ == "__main__":
    harness.main()
