/**
 * Narrows the network's DHCP range, so that the machines' reserved addresses lie outside: the provider
 * gives all addresses to DHCP.
 */
export const renderDhcpRange = ({ start, end }: { readonly start: string; readonly end: string }): string =>
  transformation(`<xsl:template match="/network/ip/dhcp/range">
    <range start="${start}" end="${end}"/>
  </xsl:template>`);

/**
 * Has libvirt write what a domain prints on its serial console into a file, anew at each start.
 * @param dataDisk - Serial number of the second disk. @default there is none
 */
export const renderConsoleLog = (file: string, dataDisk?: string): string =>
  transformation(
    [
      within("console", `<log file="${file}" append="off"/>`),
      ...(dataDisk === undefined ? [] : [within("disk[target/@dev='vdb']", `<serial>${dataDisk}</serial>`)]),
    ].join("\n  "),
  );

/** Adds an element to a device of a domain. */
const within = (device: string, element: string): string =>
  `<xsl:template match="/domain/devices/${device}">
    <xsl:copy>
      <xsl:apply-templates select="@*|node()"/>
      ${element}
    </xsl:copy>
  </xsl:template>`;

/** An XSLT style sheet that copies everything but for what the template says. */
const transformation = (template: string): string =>
  `<xsl:stylesheet version="1.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform">
  <xsl:template match="@*|node()">
    <xsl:copy><xsl:apply-templates select="@*|node()"/></xsl:copy>
  </xsl:template>
  ${template}
</xsl:stylesheet>
`;
